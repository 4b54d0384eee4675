"""A check that raises, hangs, lies or is missing never breaks a response's way in; `on_error` decides what becomes of it."""

import asyncio
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from collect_pipelines.checks import runner as runner_module
from collect_pipelines.checks.interface import Draft
from collect_pipelines.checks.runner import CheckOutcome, CheckRunner
from collect_pipelines.checks.threads import MAX_THREADS
from collect_pipelines.forms.definition import FormDefinition

PLUGIN = """\
import threading
from collect_pipelines.checks.interface import Check, CheckConfig
from collect_pipelines.model import Finding

release = threading.Event()
calls = []


class Config(CheckConfig):
    do: str = "pass"


class Stranger(Check):
    kind = "stranger"
    Config = Config

    def __init__(self, config):
        super().__init__(config)
        if config.do == "refuse to be made":
            raise RuntimeError("no")

    def check(self, response, form):
        calls.append(self.config.do)
        return getattr(self, self.config.do.replace(" ", "_"), self.unknown)(response, form)

    def unknown(self, response, form):
        return {
            "none": None, "number": 7, "text": "fine", "mapping": {"a": 1}, "strings": ["bad"], "true": True,
            "severity": [Finding("x", "m", "fatal")], "no code": [Finding("", "m")], "code": [Finding(5, "m")],
            "message": [Finding("x", None)], "data": [Finding("x", "m", data=[1])],
            "not json": [Finding("x", "m", data={"a": object()})], "surrogate": [Finding("x", "\\ud800")],
            "nul": [Finding("x", "a\\x00b")], "huge": [Finding("x", "m" * 100_000)], "many": [Finding("x", "m")] * 500,
        }[self.config.do]

    def endless(self, response, form):
        while True:
            yield Finding("x", "m")

    def generator(self, response, form):
        yield Finding("x", "m", "note")

    def hang(self, response, form):
        release.wait(30)
        response.answer_metadata["name"] = {"late": True}
        return [Finding("late", "m")]

    def pass_(self, response, form):
        return []

    def leave(self, response, form):
        raise SystemExit(3)

    def stop(self, response, form):
        raise StopIteration

    def interrupt(self, response, form):
        raise KeyboardInterrupt

    def raise_with_the_answer(self, response, form):
        raise ValueError(response.answers["name"])

    def cancel(self, response, form):
        import asyncio
        raise asyncio.CancelledError

    def recurse(self, response, form):
        return self.recurse(response, form)

    def spoil(self, response, form):
        response.answers["rows"].append("spoilt")
        response.answers["name"] = "spoilt"
        return []

    def note_nonsense(self, response, form):
        response.answer_metadata["name"] = "text"
        return []

    def note(self, response, form):
        response.answer_metadata["name"] = {"length": 4}
        return [Finding("short", "m", "flag", "name")]

    def find(self, response, form):
        return [Finding("wrong", "m", "reject", "name")]
"""


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A distribution as pip would leave it: a module and its entry point."""
    (tmp_path / "strange_checks.py").write_text(PLUGIN)
    info = tmp_path / "strange_checks-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strange-checks\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        textwrap.dedent(
            """\
            [collect_pipelines.checks]
            stranger = strange_checks:Stranger
            broken = strange_checks_missing:Nothing
            """
        )
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "strange_checks", raising=False)
    import strange_checks  # type: ignore[import-not-found]

    strange_checks.calls.clear()
    yield strange_checks
    strange_checks.release.set()
    deadline = time.monotonic() + 5
    while any(thread.name == "check stranger" and _busy() for thread in threading.enumerate()) and time.monotonic() < deadline:
        time.sleep(0.005)


def _busy() -> bool:
    from collect_pipelines.checks.threads import threads_of

    return threads_of("stranger")._busy > 0


def form(**settings: Any) -> FormDefinition:
    kind = settings.pop("kind", "stranger")
    deadline = settings.pop("deadline_ms", 800)
    return FormDefinition.model_validate(
        {
            "form": "f",
            "title": "F",
            "deadline_ms": deadline,
            "checks": {kind: settings},
            "questions": [
                {"key": "name", "type": "text", "required": True},
                {"key": "rows", "type": "repeat", "questions": [{"key": "a", "type": "text"}]},
            ],
        }
    )


def draft() -> Draft:
    return Draft("r1", {"name": "Asha SECRET-4711", "rows": [{"a": "x"}]}, language="en")


def run(definition: FormDefinition, response: Draft | None = None) -> CheckOutcome:
    outcomes = asyncio.run(CheckRunner(definition).run(response or draft()))
    assert [outcome.check for outcome in outcomes] == ["answers", *definition.checks]
    return outcomes[-1]


NONSENSE = [
    "none", "number", "text", "mapping", "strings", "true", "severity", "no code", "code", "message", "data", "not json", "surrogate",
    "nul", "huge", "many", "endless", "note nonsense", "leave", "stop", "interrupt", "raise with the answer", "cancel", "recurse",
]  # fmt: skip


@pytest.mark.parametrize("do", NONSENSE)
def test_raising_and_nonsense_are_an_error_outcome_with_a_flag(stranger: Any, do: str) -> None:
    response = draft()

    outcome = run(form(config={"do": do}), response)

    assert (outcome.outcome, [(finding.code, finding.severity) for finding in outcome.findings]) == ("error", [("check.error", "flag")])
    assert outcome.reason
    assert "SECRET" not in repr(outcome)
    assert response.answer_metadata == {}


@pytest.mark.parametrize(
    ("on_error", "expected", "severities"), [("accept", "error", []), ("flag", "error", ["flag"]), ("reject", "rejected", ["reject"])]
)
def test_on_error_decides_what_a_failing_check_means(stranger: Any, on_error: str, expected: str, severities: list[str]) -> None:
    outcome = run(form(on_error=on_error, config={"do": "none"}))

    assert (outcome.outcome, [finding.severity for finding in outcome.findings]) == (expected, severities)


@pytest.mark.parametrize(
    ("on_error", "expected", "severities"), [("accept", "timeout", []), ("flag", "timeout", ["flag"]), ("reject", "rejected", ["reject"])]
)
def test_a_hanging_check_is_given_up_after_its_timeout(stranger: Any, on_error: str, expected: str, severities: list[str]) -> None:
    started = time.perf_counter()

    outcome = run(form(on_error=on_error, timeout_ms=30, config={"do": "hang"}))

    assert (outcome.outcome, [finding.severity for finding in outcome.findings]) == (expected, severities)
    assert time.perf_counter() - started < 0.5


def test_the_deadline_of_the_form_goes_before_the_timeout_of_a_check(stranger: Any) -> None:
    started = time.perf_counter()

    outcome = run(form(timeout_ms=10_000, deadline_ms=50, config={"do": "hang"}))

    assert outcome.outcome == "timeout"
    assert time.perf_counter() - started < 0.5


def test_what_a_check_says_or_notes_after_it_was_given_up_reaches_nobody(stranger: Any) -> None:
    response = draft()
    run(form(timeout_ms=20, config={"do": "hang"}), response)

    stranger.release.set()
    while _busy():
        time.sleep(0.001)

    assert response.answer_metadata == {}


def test_a_hanging_kind_leaves_other_checks_and_the_answers_check_alone(stranger: Any) -> None:
    definition = form(timeout_ms=20, config={"do": "hang"})
    definition = definition.model_copy(update={"checks": {**definition.checks, **form(kind="phone").checks}})
    checks = CheckRunner(definition)

    async def many() -> list[list[CheckOutcome]]:
        return await asyncio.gather(*(checks.run(draft()) for _ in range(MAX_THREADS * 3)))

    for outcomes in asyncio.run(many()):
        assert [outcome.outcome for outcome in outcomes] == ["passed", "timeout", "passed"]


def test_after_repeated_timeouts_the_check_is_not_waited_for_until_a_pause_is_over(stranger: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = CheckRunner(form(timeout_ms=20, config={"do": "hang"}))

    async def story() -> None:
        for _ in range(runner_module.TRIP_AFTER):
            assert (await checks.run(draft()))[-1].outcome == "timeout"
        tried = len(stranger.calls)
        outcome = (await checks.run(draft()))[-1]
        assert (outcome.outcome, len(stranger.calls)) == ("timeout", tried)
        assert outcome.duration_ms < 5
        assert "not tried" in (outcome.reason or "")

        stranger.release.set()
        checks._entries[0].breaker.closed_until = 0.0  # the pause is over
        assert (await checks.run(draft()))[-1].outcome == "rejected"  # it answers again: `late`

    asyncio.run(story())


def test_a_check_can_not_change_the_answers(stranger: Any) -> None:
    response = draft()

    outcome = run(form(config={"do": "spoil"}), response)

    assert outcome.outcome == "error"
    assert response.answers == {"name": "Asha SECRET-4711", "rows": [{"a": "x"}]}


def test_findings_and_noted_facts_of_a_sound_check_are_passed_on(stranger: Any) -> None:
    response = draft()

    noted = run(form(config={"do": "note"}), response)
    found = run(form(config={"do": "find"}))
    generated = run(form(config={"do": "generator"}))

    assert (noted.outcome, noted.findings[0].code, response.answer_metadata) == ("flagged", "short", {"name": {"length": 4}})
    assert (found.outcome, found.findings[0].code) == ("rejected", "wrong")
    assert (generated.outcome, generated.findings[0].severity) == ("passed", "note")


@pytest.mark.parametrize(
    ("kind", "config", "told"),
    [
        ("not_installed", {}, "No plug-in of kind"),
        ("broken", {}, "strange_checks_missing is missing"),
        ("stranger", {"doo": 1}, "configuration of check 'stranger' is not valid: doo"),
        ("stranger", {"do": "refuse to be made"}, "raised RuntimeError"),
    ],
)
def test_a_check_that_can_not_be_made_ready_is_named_and_treated_by_on_error(
    stranger: Any, kind: str, config: dict[str, Any], told: str
) -> None:
    definition = form(kind=kind, config=config, on_error="reject")

    assert told in CheckRunner(definition).problems[0]
    assert run(definition).outcome == "rejected"


def test_other_checks_are_skipped_when_types_are_wrong_but_not_when_an_answer_is_missing(stranger: Any) -> None:
    definition = form(config={"do": "find"})

    assert run(definition, Draft("r", {"name": 5})).outcome == "skipped"
    assert run(definition, Draft("r", {"name": "x", "zzz": 5})).outcome == "skipped"
    assert run(definition, Draft("r", {})).outcome == "rejected"
    assert stranger.calls == ["find"]


def test_a_form_without_further_checks_runs_the_answers_check_in_line() -> None:
    definition = form().model_copy(update={"checks": {}})

    outcomes = asyncio.run(CheckRunner(definition).run(Draft("r", {"name": 1})))

    assert [(outcome.check, outcome.outcome, outcome.findings[0].code) for outcome in outcomes] == [("answers", "rejected", "type")]


def test_the_process_ends_although_a_check_hangs(tmp_path: Path, stranger: Any) -> None:
    import subprocess
    import sys

    script = tmp_path / "ends.py"
    script.write_text(
        "from collect_pipelines.checks.threads import threads_of\nimport threading\n"
        "started = threading.Event()\n"
        "threads_of('x').submit(lambda: (started.set(), threading.Event().wait()))\nstarted.wait()\nprint('end', flush=True)\n"
    )

    assert (
        subprocess.run(
            [sys.executable, str(script)], capture_output=True, timeout=20, cwd=Path(__file__).parents[2], env={"PYTHONPATH": "."}
        ).stdout
        == b"end\n"
    )
