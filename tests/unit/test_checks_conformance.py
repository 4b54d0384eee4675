"""The conformance suite passes every built-in check, and fails broken ones for the right reason."""

import contextlib
import inspect
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import pytest
from pydantic import Field

from collect_pipelines import plugins
from collect_pipelines.checks.interface import Check, CheckConfig, Draft, Fingerprint
from collect_pipelines.errors import Invalid
from collect_pipelines.forms.answers import check_answers
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.model import Finding
from collect_pipelines.testing import CheckConformance, every_type_form
from collect_pipelines.testing.samples import sample_answers

BUILT_INS = [plugin.kind for plugin in plugins.installed(plugins.CHECKS) if plugin.distribution == plugins.OWN_DISTRIBUTION]
TESTS = [name for name, _ in inspect.getmembers(CheckConformance, inspect.isfunction) if name.startswith("test_")]
CONFIGS: dict[str, dict[str, Any]] = {"slang": {"languages": ["hi"]}, "duplicate": {"questions": ["a_text", "a_phone"]}}
LISTS = {
    "slang": [{"term": "jugaad", "language": "hi", "severity": "flag", "meaning": "a clever fix", "source": "test", "licence": "none"}]
}


@pytest.mark.parametrize("name", TESTS)
@pytest.mark.parametrize("kind", BUILT_INS)
def test_every_built_in_check_conforms(kind: str, name: str) -> None:
    made = plugins.load(plugins.CHECKS, kind)
    suite = type("Suite", (CheckConformance,), {"check": made, "config": CONFIGS.get(kind, {}), "references": LISTS})()

    getattr(suite, name)()


def test_samples_reach_the_checks_of_a_form() -> None:
    form = every_type_form()

    skipped = [
        name for name, answers in sample_answers(form) if any(one.code in ("type", "unknown") for one in check_answers(form, answers))
    ]

    assert skipped == []
    assert check_answers(form, next(sample_answers(form))[1]) == []


class WordsConfig(CheckConfig):
    """What is counted."""

    question: str = Field(default="a_text", description="Key of the question.")
    words: int = Field(default=3, ge=0, le=1000, description="Fewer are flagged.")


class Sound(Check):
    """Flags texts that say hardly anything."""

    kind: ClassVar[str] = "sound"
    Config: ClassVar[type[CheckConfig]] = WordsConfig

    def prepare(self, form: FormDefinition, references: Any) -> None:
        if self.config.question not in form.by_key:  # type: ignore[attr-defined]
            raise Invalid("No such question.", fix="Name a question of the form.")

    def check(self, response: Draft, form: FormDefinition) -> Sequence[Finding]:
        assert isinstance(self.config, WordsConfig)
        text = response.answers.get(self.config.question)
        if not isinstance(text, str) or len(text.split()) >= self.config.words:
            return []
        return [Finding("words.few", "Please say more.", "flag", self.config.question)]


class Suite(CheckConformance):
    check = Sound
    installed = False
    examples = [({"a_text": "so so"}, ["words.few"]), ({"a_text": "three whole words"}, [])]


def verdict(made: type[Check], name: str, **attributes: Any) -> str:
    """What the suite says; empty when it is content."""
    suite = type("Changed", (Suite,), {"check": made, "examples": (), "seconds": 0.1, **attributes})()
    try:
        getattr(suite, name)()
    except AssertionError as exc:
        return str(exc)
    return ""


def broken(check: Callable[[Any, Draft, FormDefinition], Any], **attributes: Any) -> type[Check]:
    """The sound check with another way to judge."""
    return type("Broken", (Sound,), {"__doc__": "Broken.", "check": check, **attributes})


@pytest.mark.parametrize("name", TESTS)
def test_a_sound_check_passes(name: str) -> None:
    getattr(Suite(), name)()


def growing(self: Any, response: Draft, form: FormDefinition) -> list[Finding]:
    self.seen = getattr(self, "seen", 0) + 1
    return [Finding("seen", "m", "note")] if self.seen > 5 else []


def first_only(self: Any, response: Draft, form: FormDefinition) -> list[Finding]:
    key = repr(response.answers)
    self.known = getattr(self, "known", None) or key
    return [Finding("first", "m", "note")] if self.known == key else []


def by_chance(self: Any, response: Draft, form: FormDefinition) -> list[Finding]:
    return [Finding(f"chance.{random.random()}".replace(".", "_"), "m", "note")]


def tidying(self: Any, response: Draft, form: FormDefinition) -> list[Finding]:
    response.answers.get("members") and response.answers["members"].sort(key=repr, reverse=True)
    response.answers.get("members") and response.answers["members"][0].clear()
    return []


def needs_text(self: Any, response: Draft, form: FormDefinition) -> list[Finding]:
    return [Finding("x", "m", "note")] if response.answers["a_text"].isupper() else []


def only_english(self: Any, response: Draft, form: FormDefinition) -> list[Finding]:
    return [Finding("x", {"en": "m", "hi": "म"}[response.language or "en"], "note")]


def other_in_hindi(self: Any, response: Draft, form: FormDefinition) -> list[Finding]:
    return [Finding("x", "m", "reject" if response.language == "hi" else "note")]


def quadratic(self: Any, response: Draft, form: FormDefinition) -> list[Finding]:
    text = str(response.answers.get("a_text") or "")
    return [Finding("x", "m", "note")] if any(text[:end].count("?") > 10 for end in range(0, len(text), 20)) else []


def sleeping(self: Any, response: Draft, form: FormDefinition) -> list[Finding]:
    time.sleep(0.11)
    return []


def writing(self: Any, response: Draft, form: FormDefinition) -> list[Finding]:
    with open(os.devnull, "w") as file:
        file.write(str(response.answers))
    return []


def calling(self: Any, response: Draft, form: FormDefinition) -> list[Finding]:
    import socket

    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", 9), 0.01)
    return []


def printing(self: Any, response: Draft, form: FormDefinition) -> list[Finding]:
    print(response.answers)
    return []


def threading_away(self: Any, response: Draft, form: FormDefinition) -> list[Finding]:
    threading.Thread(target=time.sleep, args=(2,), daemon=True).start()
    return []


def generating(self: Any, response: Draft, form: FormDefinition) -> Iterator[Finding]:
    while True:
        yield Finding("x", "m")


def by_urandom(*_: Any) -> list[Fingerprint]:
    return [Fingerprint("x", os.urandom(8), 60)]


def saying(*findings: Any) -> Callable[[Any, Draft, FormDefinition], Any]:
    return lambda self, response, form: list(findings)


class Loose(CheckConfig):
    """Takes anything."""

    model_config = {"extra": "ignore"}
    words: Any = Field(default=3, description="Anything.")
    question: str = Field(default="a_text", description="Key.")


class Bare(CheckConfig):
    """Explains nothing."""

    words: int = 3


def counting(self: Any, response: Draft, form: FormDefinition) -> list[Finding]:
    return [] if len(["a", "b"]) < self.config.words else [Finding("x", "m", "note")]


UNSOUND = "test_its_findings_can_be_stored_and_sent"
BROKEN: list[tuple[str, type[Any], str]] = [
    ("test_it_is_a_check_that_explains_itself", object, "not a subclass of"),
    ("test_it_is_a_check_that_explains_itself", broken(counting, kind="Not A Slug"), "is not a name of a-z"),
    ("test_it_is_a_check_that_explains_itself", broken(counting, __doc__=None), "no docstring"),
    ("test_it_is_a_check_that_explains_itself", broken(counting, Config=Bare), "without a description: words"),
    ("test_an_unknown_setting_is_refused", broken(counting, Config=Loose), "unknown setting is accepted"),
    ("test_a_setting_that_makes_no_sense_is_a_clear_error", broken(counting, Config=Loose), "with words = None it raised TypeError"),
    ("test_it_never_raises", broken(needs_text), "no answers at all: it raised KeyError"),
    ("test_its_findings_are_the_same_in_every_language", broken(only_english), "raised KeyError"),
    ("test_its_findings_are_the_same_in_every_language", broken(other_in_hindi), "in hi it finds something else than in en"),
    (UNSOUND, broken(lambda self, response, form: None), "returned NoneType instead of a sequence of findings"),
    (UNSOUND, broken(saying({"code": "x"})), "returned dict among its findings"),
    (UNSOUND, broken(saying(Finding("x", "m", data={"a": object()}))), "is not JSON"),
    (UNSOUND, broken(saying(Finding("x", "m" * 20_000))), "more than 16384 bytes"),
    (UNSOUND, broken(saying(Finding("x", " "))), "has no message"),
    (UNSOUND, broken(saying(Finding("Not Dotted", "m"))), "is not of a-z, 0-9 and dots"),
    (UNSOUND, broken(saying(Finding("x", "m", "reject", "no_such_question"))), "which is no question of the form"),
    (UNSOUND, broken(generating), "returned more than 100 findings"),
    ("test_the_same_answers_give_the_same_findings", broken(by_chance), "asked twice"),
    ("test_it_keeps_nothing_from_one_response_to_the_next", broken(first_only), "depending on what it was asked before"),
    ("test_it_keeps_nothing_from_one_response_to_the_next", broken(growing), "depending on what it was asked before"),
    ("test_it_leaves_the_answers_as_they_are", broken(tidying), "it changed the answers"),
    ("test_it_takes_bounded_time", broken(quadratic), "ms is the most"),
    ("test_it_takes_bounded_time", broken(sleeping), "100 ms is the most"),
    ("test_it_does_nothing_but_judge", broken(writing), "open for writing"),
    ("test_it_does_nothing_but_judge", broken(calling), "socket.connect"),
    ("test_it_does_nothing_but_judge", broken(printing), "it printed something"),
    ("test_it_does_nothing_but_judge", broken(threading_away), "it left threads"),
    ("test_its_fingerprints_are_sound", broken(counting, fingerprints=lambda *_: [b"x"]), "returned bytes among its fingerprints"),
    (
        "test_its_fingerprints_are_sound",
        broken(counting, fingerprints=lambda *_: [Fingerprint("x", os.urandom(8), 60)]),
        "differ for the same",
    ),
]


@pytest.mark.parametrize(("name", "made", "expected"), BROKEN, ids=[f"{name}-{number}" for number, (name, _, _) in enumerate(BROKEN)])
def test_a_broken_check_fails_for_the_right_reason(name: str, made: type[Any], expected: str) -> None:
    said = verdict(made, name)

    assert expected in said
    assert bool(expected) == bool(said)


def test_an_endless_check_is_stopped_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from collect_pipelines.testing import asking as suite_module

    def endless(self: Any, response: Draft, form: FormDefinition) -> list[Finding]:
        while True:
            pass

    monkeypatch.setattr(suite_module, "GIVE_UP_SECONDS", 0.05)

    assert verdict(broken(endless), "test_it_never_raises") == "ordinary answers: it had not answered after 0 s"


def test_a_claim_to_be_bounded_is_held_to_it() -> None:
    def slow(self: Any, response: Draft, form: FormDefinition) -> list[Finding]:
        time.sleep(0.06)
        return []

    said = verdict(broken(slow, bounded=True), "test_it_takes_bounded_time", seconds=10.0)

    assert "although it claims to be bounded; 50 ms is the most" in said


def test_examples_and_entry_points_are_told_apart_from_what_is_there() -> None:
    assert "it found [] instead of ['words.few']" in verdict(broken(saying()), "test_its_examples_are_found", examples=Suite.examples)
    assert "Is the distribution installed" in verdict(Sound, "test_its_entry_point_leads_to_it", installed=True)


def test_the_suite_needs_no_pytest() -> None:
    import subprocess
    import sys

    code = "import sys, collect_pipelines.testing; sys.exit('pytest' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
