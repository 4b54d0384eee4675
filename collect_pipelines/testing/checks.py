"""
The conformance suite for checks: what every check must keep so that it can answer collectors beside others.

    from collect_pipelines.testing import CheckConformance
    from collect_check_tidy import TidyCheck

    class TestTidyCheck(CheckConformance):
        check = TidyCheck
        config = {"question": "remarks"}
        examples = [({"remarks": "ok"}, ["tidy.short"])]

Run it with pytest, or with `collect plugins test`. Each failure says what was found and with which answers.
"""

import copy
import io
import re
import threading
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from typing import Any

import orjson
from pydantic import ValidationError

from collect_pipelines import plugins
from collect_pipelines.checks.interface import Check, CheckConfig, Draft
from collect_pipelines.errors import Invalid, PluginError
from collect_pipelines.model import Earlier, Finding
from collect_pipelines.testing.asking import GIVE_UP_SECONDS, Asking, told
from collect_pipelines.testing.isolation import said_in_process
from collect_pipelines.testing.odd import ODD_SETTINGS
from collect_pipelines.testing.samples import sample_answers
from collect_pipelines.testing.watching import outside_effects, within

__all__ = ["CheckConformance"]

BOUNDED_SECONDS = 0.05  # for a check that claims to be bounded, whatever the answers; the event loop stands still meanwhile
UNKNOWN_LANGUAGES = (None, "xx", "zh-Hant-TW")
SLUG = re.compile(r"[a-z][a-z0-9_]{0,63}")
CODE = re.compile(r"[a-z0-9_]+(\.[a-z0-9_-]+)*")


class CheckConformance(Asking):
    """Subclass it as `Test...`, say which check and with which configuration, and give examples of what it finds."""

    # What it is.

    def test_it_is_a_check_that_explains_itself(self) -> None:
        """A subclass of Check with a kind, a docstring, and a Config whose every field is described."""
        made = self.check
        assert isinstance(made, type), f"{made!r} is not a class"
        assert issubclass(made, Check), f"{made.__name__} is not a subclass of collect_pipelines.checks.interface.Check"
        assert not made.__abstractmethods__, f"{made.__name__} does not define {', '.join(sorted(made.__abstractmethods__))}"
        assert isinstance(getattr(made, "kind", None), str), f"{made.__name__} has no `kind`"
        assert SLUG.fullmatch(made.kind), f"kind {made.kind!r} is not a name of a-z, 0-9 and _"
        assert made.__doc__ and made.__doc__.strip(), f"{made.__name__} has no docstring; its first line is shown in lists"
        assert issubclass(made.Config, CheckConfig), f"{made.__name__}.Config is not a subclass of CheckConfig"
        bare = [name for name, field in made.Config.model_fields.items() if not field.description]
        assert not bare, f"settings without a description: {', '.join(bare)}; use Field(description=...)"

    def test_its_entry_point_leads_to_it(self) -> None:
        """pip install of its distribution is all it takes."""
        if not self.installed:
            return
        try:
            found = plugins.load(plugins.CHECKS, self.check.kind)
        except PluginError as exc:
            raise AssertionError(f"{exc.message} {exc.fix or ''} Is the distribution installed (pip install -e .)?") from exc
        assert found is self.check, f"the entry point {self.check.kind!r} leads to {found!r}"

    # Its configuration.

    def test_an_unknown_setting_is_refused(self) -> None:
        """A misspelt setting must not be ignored in silence."""
        try:
            self.check.Config.model_validate({**self.config, "surely_no_setting": 1})
        except ValidationError as exc:
            assert "surely_no_setting" in str(exc), "the refusal does not name the unknown setting"
            return
        raise AssertionError('an unknown setting is accepted; keep `extra="forbid"` of CheckConfig')

    def test_a_setting_that_makes_no_sense_is_a_clear_error(self) -> None:
        """Refused with a ValidationError, or with errors.Invalid by `prepare`, or good enough to work with; nothing else."""
        ordinary = next(sample_answers(self._form))[1]
        for name in self.check.Config.model_fields:
            for value in ODD_SETTINGS:
                shown = f"{name} = {value!r:.60}"
                try:
                    with within(GIVE_UP_SECONDS):
                        made = self._made({**self.config, name: value})
                        made.check(self._draft(ordinary), self._form)
                except (ValidationError, Invalid):
                    continue
                except BaseException as exc:
                    raise AssertionError(
                        f"with {shown} it raised {told(exc)}; refuse such a value in Config, or raise errors.Invalid in prepare"
                    ) from exc

    def test_its_configuration_survives_being_sent_as_json(self) -> None:
        """It is stored with the form and sent to the processes of checks."""
        config = self.check.Config.model_validate(self.config)
        again = self.check.Config.model_validate(orjson.loads(orjson.dumps(config.model_dump(mode="json"))))
        assert again == config, f"{config!r} becomes {again!r}"

    # What it says.

    def test_its_examples_are_found(self) -> None:
        """Each example gives exactly the codes it names."""
        for answers, codes in self.examples:
            found = [finding.code for finding in self._said(_shown(answers), self._made(), answers)[0]]
            assert found == list(codes), f"in {_shown(answers)} it found {found} instead of {list(codes)}"

    def test_it_never_raises(self) -> None:
        """Whatever is answered to whatever type of question, or not answered."""
        for name, answers in self._samples():
            self._said(name, self._made_once, answers)

    def test_its_findings_can_be_stored_and_sent(self) -> None:
        """Findings, not anything else; JSON; of bounded size; with dotted codes; about questions of the form."""
        for name, answers in self._samples():
            findings, metadata = self._sound(name, answers)
            for finding in findings:
                assert CODE.fullmatch(finding.code), f"{name}: code {finding.code!r} is not of a-z, 0-9 and dots"
                assert finding.message.strip(), f"{name}: finding {finding.code} has no message"
                assert finding.question is None or _root(finding.question) in self._form.by_key, (
                    f"{name}: finding {finding.code} is about {finding.question!r}, which is no question of the form"
                )
            strange = [place for place in metadata if _root(place) not in self._form.by_key]
            assert not strange, f"{name}: it noted facts about {strange}, which are no questions of the form"

    def test_its_findings_are_the_same_in_every_language(self) -> None:
        """Only messages and labels may differ; a language it does not know, or none, gets some message."""
        for name, answers in self._short_samples():
            told = {
                language: [_without_words(finding) for finding in self._said(name, self._made_once, answers, language)[0]]
                for language in (*self._form.languages, *UNKNOWN_LANGUAGES)
            }
            first = told[self._form.languages[0]]
            other = [language for language, findings in told.items() if findings != first]
            assert not other, f"{name}: in {other[0] if other else ''} it finds something else than in {self._form.languages[0]}"

    # How it works.

    def test_the_same_answers_give_the_same_findings(self) -> None:
        """No clock, no chance, no memory."""
        for name, answers in self._short_samples():
            first, again, fresh = (self._said(name, made, answers) for made in (self._made_once, self._made_once, self._made()))
            assert first == again, f"{name}: asked twice, it said {again} after {first}"
            assert first == fresh, f"{name}: a new instance said {fresh} instead of {first}"

    def test_it_keeps_nothing_from_one_response_to_the_next(self) -> None:
        """Processes come and go: what it says about one response must not depend on those before."""
        samples = list(self._short_samples())
        onward, backward = self._made(), self._made()
        there = {name: self._said(name, onward, answers) for name, answers in samples}
        back = {name: self._said(name, backward, answers) for name, answers in reversed(samples)}
        for name, _ in samples:
            assert there[name] == back[name], f"{name}: it said {there[name]} or {back[name]}, depending on what it was asked before"

    def test_it_leaves_the_answers_as_they_are(self) -> None:
        """Also inside lists and objects."""
        for name, answers in self._samples():
            given = copy.deepcopy(dict(answers))
            self._said(name, self._made_once, given)
            assert given == answers, f"{name}: it changed the answers"

    def test_it_takes_bounded_time(self) -> None:
        """However long or odd the answers are. The best of three counts, because machines are busy."""
        limit = min(self.seconds, BOUNDED_SECONDS) if self.check.bounded else self.seconds
        for name, answers in self._samples():
            least = min(self._seconds(name, answers) for _ in range(3))
            claim = " although it claims to be bounded" if self.check.bounded and least < self.seconds else ""
            assert least <= limit, f"{name}: it took {least * 1000:.0f} ms{claim}; {limit * 1000:.0f} ms is the most"

    def test_it_does_nothing_but_judge(self) -> None:
        """No network, no files written, no programs or threads started, nothing printed."""
        threads = set(threading.enumerate())
        printed = io.StringIO()
        with outside_effects() as effects, redirect_stdout(printed), redirect_stderr(printed):
            for name, answers in self._short_samples():
                self._said(name, self._made_once, answers)
        assert not effects, f"it touched the outside: {', '.join(sorted(set(effects)))}"
        assert not printed.getvalue(), "it printed something; nobody reads that, and it may hold answers"
        left = [thread.name for thread in threading.enumerate() if thread not in threads]
        assert not left, f"it left threads: {left}"

    def test_its_fingerprints_are_sound(self) -> None:
        """A few short ones, the same for the same answers; and it can be told what they found."""
        made = self._made_once
        for name, answers in self._short_samples():
            first, again = (self._fingerprints(made, name, answers) for _ in range(2))
            assert first == again, f"{name}: its fingerprints differ for the same answers"
            earlier = tuple(Earlier(one.name, "an-earlier-one", datetime(2026, 1, 31, tzinfo=UTC)) for one in first)
            self._call(name, made.check, Draft("r", answers, "someone", "en", {}, earlier), self._form)

    def test_it_says_the_same_in_a_process_of_its_own(self) -> None:
        """There it has no network, no settings and no secrets, and is made from the form alone."""
        if not any(plugin.kind == self.check.kind for plugin in plugins.installed(plugins.CHECKS)):
            return  # another requirement says so
        samples = dict(self._short_samples())
        there = said_in_process(self.check.kind, self.config, self._form, self.references, samples)
        for name, answers in samples.items():
            findings, metadata = self._said(name, self._made_once, answers)
            here = {"findings": [finding.as_json() for finding in findings], "metadata": metadata}
            assert there[name] == orjson.loads(orjson.dumps(here)), f"{name}: in a process of its own it said {there[name]}, here {here}"


def _root(place: str) -> str:
    return re.split(r"[.\[]", place, maxsplit=1)[0]


def _without_words(finding: Finding) -> tuple[Any, ...]:
    return finding.code, finding.severity, finding.question


def _shown(answers: Mapping[str, Any]) -> str:
    return f"{dict(answers)!r:.200}"
