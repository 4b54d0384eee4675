"""Running the checks of a form version on one response: within the form's deadline, and whatever a plug-in does."""

import asyncio
import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from queue import Full
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from collect_pipelines import plugins
from collect_pipelines.checks.answers import AnswersCheck
from collect_pipelines.checks.interface import Check, CheckConfig, Draft
from collect_pipelines.checks.threads import threads_of
from collect_pipelines.checks.verdict import CheckOutcome, Nonsense, OutcomeName, outcome_of, sound_findings, sound_metadata
from collect_pipelines.errors import PluginError
from collect_pipelines.forms.definition import CheckSettings, FormDefinition
from collect_pipelines.forms.messages import say
from collect_pipelines.model import Finding

__all__ = ["CheckOutcome", "CheckRunner"]

TRIP_AFTER = 3  # timeouts in a row; one may be bad luck
PAUSE_SECONDS = 30.0  # a tripped check is tried again after so long

Said = tuple[tuple[Finding, ...], dict[str, dict[str, Any]]]


@dataclass(slots=True)
class _Breaker:
    """Spares responses the wait for a check that times out again and again."""

    timeouts: int = 0
    closed_until: float = 0.0

    def open(self, now: float) -> bool:
        """Whether the check may be tried."""
        return now >= self.closed_until

    def timed_out(self, now: float) -> None:
        self.timeouts += 1
        if self.timeouts >= TRIP_AFTER:
            self.timeouts = TRIP_AFTER - 1  # after the pause one more timeout is enough
            self.closed_until = now + PAUSE_SECONDS

    def answered(self) -> None:
        self.timeouts = 0


@dataclass(slots=True)
class _Entry:
    """One check of the form; `check` is None when it can't be used, and `problem` says why."""

    kind: str
    settings: CheckSettings
    check: Check | None = None
    problem: str | None = None
    breaker: _Breaker = field(default_factory=_Breaker)


class CheckRunner:
    """
    The checks of one form version, made ready; keep it and call `run` for each response, from one event loop.

    `answers` runs first and in line. The others run at the same time in threads of their kind, each within its `timeout_ms`, all
    within the form's `deadline_ms`. One that raises, hangs, returns nonsense or is not installed is an outcome `error` or `timeout`,
    treated by its `on_error`: accept keeps the response, flag adds a finding, reject makes the outcome `rejected`.
    """

    def __init__(self, definition: FormDefinition) -> None:
        """Loads the plug-ins, which may import a lot: not on an event loop. Never raises because of them; see `problems`."""
        self._definition = definition
        self._answers = AnswersCheck(CheckConfig())
        self._entries = [_entry(kind, settings) for kind, settings in definition.checks.items() if kind != AnswersCheck.kind]

    @property
    def problems(self) -> tuple[str, ...]:
        """What keeps checks of this form from running, each with what to do; empty when all is well."""
        return tuple(entry.problem for entry in self._entries if entry.problem)

    async def run(self, draft: Draft) -> list[CheckOutcome]:
        """One outcome per check, `answers` first. Facts that checks found out are in `draft.answer_metadata` afterwards."""
        started = time.perf_counter()
        findings = tuple(self._answers.check(draft, self._definition))
        outcomes = [CheckOutcome(AnswersCheck.kind, outcome_of(findings), findings, _since(started))]
        if not self._entries:
            return outcomes
        if any(finding.code in ("type", "unknown") for finding in findings):  # plug-ins are promised typed answers to known questions
            return outcomes + [CheckOutcome(entry.kind, "skipped", (), 0.0) for entry in self._entries]
        deadline = started + self._definition.deadline_ms / 1000
        if len(self._entries) == 1:
            return [*outcomes, await self._run_one(self._entries[0], draft, deadline)]
        return outcomes + await asyncio.gather(*(self._run_one(entry, draft, deadline) for entry in self._entries))

    async def _run_one(self, entry: _Entry, draft: Draft, deadline: float) -> CheckOutcome:
        started = time.perf_counter()
        if entry.check is None:
            return _failed(entry, "error", entry.problem or "", started, draft.language)
        if not entry.breaker.open(started):
            return _failed(entry, "timeout", f"not tried for {PAUSE_SECONDS:.0f} s after repeated timeouts", started, draft.language)
        try:
            said = await self._said(entry, entry.check, draft, deadline - started)
        except TimeoutError:
            entry.breaker.timed_out(time.perf_counter())
            return _failed(entry, "timeout", "took too long", started, draft.language)
        except Nonsense as exc:
            return _failed(entry, "error", str(exc), started, draft.language)
        except Full:
            return _failed(entry, "error", "too many responses wait for it", started, draft.language)
        entry.breaker.answered()
        findings, metadata = said
        for question, facts in metadata.items():
            draft.answer_metadata.setdefault(question, {}).update(facts)
        return CheckOutcome(entry.kind, outcome_of(findings), findings, _since(started))

    async def _said(self, entry: _Entry, check: Check, draft: Draft, seconds: float) -> Said:
        own = _own_draft(draft)
        definition = self._definition

        def job() -> Said | Nonsense:
            try:
                findings = sound_findings(check.check(own, definition))
                return findings, sound_metadata(own.answer_metadata)
            except Nonsense as exc:
                return exc
            except BaseException as exc:  # noqa: BLE001 - a plug-in may raise anything, SystemExit and StopIteration, too
                return Nonsense(f"raised {type(exc).__name__}")  # not its text, which may hold answers

        future = asyncio.wrap_future(threads_of(entry.kind).submit(job))
        said: Said | Nonsense = await asyncio.wait_for(future, max(0.0, min(seconds, entry.settings.timeout_ms / 1000)))
        if isinstance(said, Nonsense):
            raise said
        return said


def _own_draft(draft: Draft) -> Draft:
    """A draft of the check's own: what it changes, also after it was given up, reaches nobody."""
    answers: Mapping[str, Any] = {
        key: copy.deepcopy(value) if isinstance(value, list | dict) else value for key, value in draft.answers.items()
    }
    return Draft(draft.response_id, MappingProxyType(answers), draft.respondent, draft.language, {})


def _entry(kind: str, settings: CheckSettings) -> _Entry:
    try:
        made = plugins.load(plugins.CHECKS, kind)
        return _Entry(kind, settings, made(made.Config.model_validate(settings.config)))
    except PluginError as exc:
        problem = f"{exc.message} {exc.fix or ''}".strip()
    except ValidationError as exc:
        faults = "; ".join(
            f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in exc.errors(include_url=False, include_input=False)
        )
        problem = f"The configuration of check {kind!r} is not valid: {faults}. Correct `checks: {kind}: config:` in the form."
    except Exception as exc:  # noqa: BLE001 - the constructor of a plug-in may raise anything
        problem = f"The check {kind!r} can't be made ready: it raised {type(exc).__name__}. Ask its author, or remove it from the form."
    return _Entry(kind, settings, problem=problem)


def _failed(entry: _Entry, outcome: OutcomeName, reason: str, started: float, language: str | None) -> CheckOutcome:
    on_error = entry.settings.on_error
    if on_error == "accept":
        return CheckOutcome(entry.kind, outcome, (), _since(started), reason)
    code = f"check.{outcome}"
    finding = Finding(code, say(code, language, {"check": entry.kind}), on_error)
    return CheckOutcome(entry.kind, "rejected" if on_error == "reject" else outcome, (finding,), _since(started), reason)


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
