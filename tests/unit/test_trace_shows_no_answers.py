"""What is recorded of an attempt that was sent back: codes, questions, labels and rules. Recording it never holds anybody up."""

import asyncio
import dataclasses
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

from collect_pipelines.errors import Unavailable
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.ingest.attempts import MAX_FINDINGS, AttemptRecorder, attempt_of
from collect_pipelines.ingest.envelope import Envelope
from collect_pipelines.ingest.incoming import Incoming
from collect_pipelines.ingest.problems import Problem
from collect_pipelines.ingest.threads import StoreThreads
from collect_pipelines.store.rejections import Rejection
from collect_pipelines.telemetry.ingest_metrics import IngestMetrics

SECRET = "9845012345"
FORM = FormDefinition.model_validate(
    {
        "form": "budget",
        "title": "Budget",
        "questions": [
            {"key": "income", "type": "decimal", "label": "Income"},
            {"key": "members", "type": "repeat", "questions": [{"key": "age", "type": "integer", "label": "Age"}]},
        ],
    }
)


def recorded(*findings: dict[str, Any]) -> list[dict[str, Any]]:
    """What is kept of a rejection with these findings."""
    problem = Problem("answers-rejected", extra={"checks": [{"check": "c", "outcome": "rejected", "findings": list(findings)}]})
    form, version = type("Form", (), {"form_id": 1}), type("Version", (), {"number": 3, "definition": FORM})
    incoming = Incoming(cast(Any, form), cast(Any, version), Envelope({"income": SECRET}), "visit-7", "en")
    attempt = attempt_of(incoming, problem, 5)
    assert (attempt.response_id, attempt.version, attempt.operation, attempt.key_id) == ("visit-7", 3, "create", 5)
    return list(attempt.findings)


def finding(code: str, question: str | None = None, severity: str = "reject", **more: Any) -> dict[str, Any]:
    place = {} if question is None else {"question": question, "label": f"label with {SECRET}"}
    return {"code": code, "severity": severity, "message": f"{SECRET} is wrong", **place, **more}


def test_code_question_and_the_label_of_the_form_are_kept_and_nothing_else() -> None:
    kept = recorded(finding("min", "income", data={"min": SECRET}), finding("type", "members[2].age"))

    assert kept == [
        {"code": "min", "severity": "reject", "question": "income", "label": "Income"},
        {"code": "type", "severity": "reject", "question": "members[2].age", "label": "Age"},
    ]


def test_a_rule_is_kept_with_its_questions() -> None:
    data = {"rule": "savings", "questions": [{"question": "income", "label": SECRET}, {"question": SECRET}, SECRET]}

    assert recorded(finding("rule.savings", "income", data=data))[0] == {
        "code": "rule.savings",
        "severity": "reject",
        "question": "income",
        "label": "Income",
        "rule": "savings",
        "questions": ["income"],
    }


def test_a_key_the_form_does_not_have_is_not_kept_because_it_may_be_an_answer() -> None:
    kept = recorded(finding("unknown", SECRET), finding("unknown", f"members[0].{SECRET}"), finding("x", "../income"), finding("y", None))

    assert kept == [{"code": code, "severity": "reject"} for code in ("unknown", "unknown", "x", "y")]


def test_what_rejects_comes_first_and_there_is_a_bound() -> None:
    kept = recorded(*[finding("note", severity="note")] * MAX_FINDINGS, finding("min", "income"))

    assert len(kept) == MAX_FINDINGS
    assert kept[0]["code"] == "min"


class Threads:
    """A store that fails as long as it is told to, and remembers what it was given."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.fails = fails
        self.written: list[Rejection] = []
        self.calls = 0

    async def read(self, _: Any, rejections: list[Rejection]) -> None:
        self.calls += 1
        await asyncio.sleep(0)
        if self.fails is not None:
            raise self.fails
        self.written += rejections


ATTEMPT = Rejection(1, "r", datetime(2026, 1, 31, tzinfo=UTC), 1, "create", "api", None, [])


def run(threads: Threads, act: Callable[[AttemptRecorder], Any], most: int = 5) -> dict[str, int]:
    """How many attempts were recorded and dropped after `act` and a stop."""
    metrics = IngestMetrics()

    async def acted() -> None:
        recorder = AttemptRecorder(cast(StoreThreads, threads), metrics, most)
        waiting = act(recorder)
        if waiting is not None:
            await waiting
        await recorder.stop()

    asyncio.run(acted())
    counts = re.findall(r'collect_ingest_attempts_total\{outcome="(\w+)"\} (\d+)', metrics.exposition().decode())
    return {outcome: int(count) for outcome, count in counts if count != "0"}


def note(recorder: AttemptRecorder, count: int) -> None:
    for number in range(count):
        recorder.note(dataclasses.replace(ATTEMPT, response_id=f"r-{number}"))


def test_what_arrives_together_is_written_together_and_in_order() -> None:
    threads = Threads()

    assert run(threads, lambda recorder: note(recorder, 4)) == {"recorded": 4}
    assert [one.response_id for one in threads.written] == ["r-0", "r-1", "r-2", "r-3"]
    assert threads.calls == 1


def test_when_too_many_wait_the_rest_is_dropped_and_counted() -> None:
    threads = Threads()

    assert run(threads, lambda recorder: note(recorder, 7), most=5) == {"recorded": 5, "dropped": 2}


def test_while_postgres_is_away_they_wait_and_are_written_when_it_is_back() -> None:
    threads = Threads(Unavailable("away"))

    async def outage(recorder: AttemptRecorder) -> None:
        note(recorder, 3)
        while threads.calls < 2:
            await asyncio.sleep(0.01)
        threads.fails = None
        while not threads.written:
            await asyncio.sleep(0.01)

    assert run(threads, outage) == {"recorded": 3}
    assert len(threads.written) == 3


def test_a_stop_while_postgres_is_away_ends_at_once_and_counts_what_is_lost() -> None:
    threads = Threads(Unavailable("away"))
    started = time.monotonic()

    assert run(threads, lambda recorder: note(recorder, 3)) == {"dropped": 3}
    assert time.monotonic() - started < 2


def test_attempts_that_can_not_be_written_do_not_hold_up_later_ones() -> None:
    threads = Threads(ValueError("a fault of ours"))

    async def fault(recorder: AttemptRecorder) -> None:
        note(recorder, 2)
        while threads.calls < 1:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        threads.fails = None
        note(recorder, 1)

    assert run(threads, fault) == {"dropped": 2, "recorded": 1}
