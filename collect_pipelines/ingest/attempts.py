"""Attempts that were sent back, recorded beside the hot path: queued, written together, and dropped rather than waited for."""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from collect_pipelines.errors import Unavailable
from collect_pipelines.forms.definition import FormDefinition, Question, label_in
from collect_pipelines.ingest.incoming import Incoming
from collect_pipelines.ingest.problems import Problem
from collect_pipelines.ingest.threads import StoreThreads
from collect_pipelines.store.rejections import Rejection, record_rejections
from collect_pipelines.telemetry.ingest_metrics import IngestMetrics
from collect_pipelines.telemetry.logs import get_logger

__all__ = ["AttemptRecorder", "attempt_of"]

MAX_WAITING = 2_000  # a minute of refusals at a rate nobody collects at; about 2 MB
MAX_BATCH = 200  # one transaction of some 20 ms
RETRY_SECONDS = (0.2, 5.0)  # first and longest wait while Postgres is away
STOP_SECONDS = 3.0  # for what still waits when the process ends
MAX_FINDINGS = 50  # a person corrects a few at a time; a hostile body may break a rule per field
MAX_LABEL = 100  # characters; enough to know the question by, and labels may be pages

_PLACE = re.compile(r"(?:[a-z0-9_]+(?:\[\d{1,6}\])?\.)*([a-z0-9_]+)(?:\[\d{1,6}\])?")

log = get_logger(__name__)


class AttemptRecorder:
    """Writes attempts into the database in the background. For one event loop; nothing in here ever fails a request."""

    def __init__(self, threads: StoreThreads, metrics: IngestMetrics, most: int = MAX_WAITING) -> None:
        self._threads = threads
        self._metrics = metrics
        self._most = most
        self._waiting: dict[int, Rejection] = {}
        self._count = 0
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    def note(self, attempt: Rejection) -> None:
        """Takes the attempt, at once; when too many wait already, it is dropped and counted."""
        if len(self._waiting) >= self._most:
            self._metrics.attempts("dropped")
            return
        self._count += 1
        self._waiting[self._count] = attempt
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._write_all())

    async def stop(self) -> None:
        """Writes what waits, for a few seconds at most; the rest is dropped and counted."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=STOP_SECONDS)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._drop(list(self._waiting))

    async def _write_all(self) -> None:
        """Ends when nothing waits. What arrives while a batch is written is in the next one."""
        wait = RETRY_SECONDS[0]
        while self._waiting:
            batch = dict(islice(self._waiting.items(), MAX_BATCH))
            try:
                await self._threads.read(record_rejections, list(batch.values()))
            except Unavailable:
                if self._stopping.is_set():
                    return
                # Postgres is away: clients are told so by others, here it is only waited for.
                await self._pause(wait)
                wait = min(wait * 2, RETRY_SECONDS[1])
                continue
            except Exception as exc:
                log.error("attempts_not_recorded", rows=len(batch), exc_info=exc)
                self._drop(list(batch))
                continue
            wait = RETRY_SECONDS[0]
            self._metrics.attempts("recorded", len(batch))
            self._forget(batch)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    def _drop(self, numbers: Sequence[int]) -> None:
        if numbers:
            self._metrics.attempts("dropped", len(numbers))
            self._forget(numbers)

    def _forget(self, numbers: Sequence[int] | Mapping[int, Rejection]) -> None:
        for number in numbers:
            self._waiting.pop(number, None)


def attempt_of(incoming: Incoming, problem: Problem, key_id: int) -> Rejection:
    """What is recorded of a response that was refused with `answers-rejected`."""
    return Rejection(
        form_id=incoming.form.form_id,
        response_id=incoming.response_id,
        attempted_at=datetime.now(UTC),
        version=incoming.version.number,
        operation=incoming.operation,
        source=incoming.envelope.source,
        key_id=key_id,
        findings=_without_answers(problem, incoming.version.definition),
    )


def _without_answers(problem: Problem, definition: FormDefinition) -> list[dict[str, Any]]:
    """Code, severity, question, label and rule of each finding; those that reject come first."""
    # Promise 10: messages and data may repeat an answer, and so may a key that the form does not have. None is taken over.
    labels = dict(_labels(definition.questions))
    found = [finding for check in problem.extra.get("checks", ()) for finding in check["findings"]]
    found.sort(key=lambda finding: bool(finding["severity"] != "reject"))
    return [_told(finding, labels) for finding in found[:MAX_FINDINGS]]


def _told(finding: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    told: dict[str, Any] = {"code": finding["code"], "severity": finding["severity"]}
    place = finding.get("question")
    key = _key(place)
    if key in labels:
        told |= {"question": place, "label": labels[key]}
    data = finding.get("data") or {}
    rule = data.get("rule")
    if isinstance(rule, str) and finding["code"] == f"rule.{rule}":
        told["rule"] = rule
        concerned = data.get("questions")
        places = [one.get("question") for one in concerned if isinstance(one, Mapping)] if isinstance(concerned, list | tuple) else []
        told["questions"] = [one for one in places if _key(one) in labels]
    return told


def _key(place: object) -> str:
    """The question's key in a place such as `members[2].age`; empty when it is none."""
    found = _PLACE.fullmatch(place) if isinstance(place, str) else None
    return found[1] if found else ""


def _labels(questions: Sequence[Question]) -> Iterator[tuple[str, str]]:
    for question in questions:
        yield question.key, label_in(question.label, None, question.key)[:MAX_LABEL]
        yield from _labels(question.questions)
