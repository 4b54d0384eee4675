"""One response on its way in: checked against its form version, and turned into a submission for the writer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from collect_pipelines.checks.interface import Draft
from collect_pipelines.checks.runner import CheckOutcome
from collect_pipelines.ingest.door import canonical
from collect_pipelines.ingest.envelope import Envelope, clock_skew
from collect_pipelines.ingest.forms import FormVersion, OpenForm
from collect_pipelines.ingest.problems import Problem, places_of
from collect_pipelines.ingest.recognition import Recognition
from collect_pipelines.model import Finding, Fingerprint, Operation, Submission
from collect_pipelines.telemetry.ingest_metrics import IngestMetrics
from collect_pipelines.telemetry.logs import get_logger

__all__ = ["NOTHING_CHECKED", "Checked", "check", "checks_as_json", "stored_checks", "submission_of"]

RESPONDENT = "respondent"
"""`unique_by: respondent` means the sender; no question may have this key."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Checked:
    """A response that passed, with what its checks said."""

    outcomes: Sequence[CheckOutcome]
    flags: list[dict[str, Any]]
    answer_metadata: Mapping[str, Any]
    fingerprints: Sequence[Fingerprint] = ()
    recognised: frozenset[str] = frozenset()


NOTHING_CHECKED = Checked((), [], {})


async def check(
    version: FormVersion, envelope: Envelope, response_id: str, language: str | None, metrics: IngestMetrics, recognition: Recognition
) -> Checked:
    """Runs the version's checks. Raises Problem `answers-rejected` naming each question when one rejects."""
    draft = Draft(response_id, envelope.answers, envelope.respondent, envelope.language or language)
    outcomes = await version.runner.run(draft, recognition.look_up)
    rejected = False
    flags: list[dict[str, Any]] = []
    for outcome in outcomes:
        metrics.check(outcome.check, outcome.counted_as, outcome.duration_ms / 1000)
        rejected = rejected or outcome.outcome == "rejected"
        if outcome.outcome != "passed" or outcome.findings:
            flags.extend(_flags(outcome))
            if outcome.reason is not None:
                log.warning("check_failed", msg=outcome.reason, kind=outcome.check, response_id=response_id, outcome=outcome.counted_as)
    if rejected:
        raise _rejection(outcomes)
    skew = clock_skew(envelope.submitted_at, datetime.now(UTC))
    if skew is not None:
        flags.append({**skew.as_json(), "check": "clock", "outcome": "flagged"})
    return Checked(outcomes, flags, draft.answer_metadata, recognition.fingerprints, frozenset(recognition.recognised))


def submission_of(
    form: OpenForm,
    version: FormVersion,
    envelope: Envelope,
    response_id: str,
    checked: Checked,
    operation: Operation = "create",
    replaces: int | None = None,
) -> Submission:
    """The submission the writer takes; its hash says whether it is the same as one that is stored (promise 2)."""
    answers = canonical(envelope.answers)
    return Submission(
        form_id=form.form_id,
        response_id=response_id,
        operation=operation,
        version=version.number,
        answers=envelope.answers,
        content_hash=envelope.content_hash(operation, replaces, answers),
        answers_json=answers.decode(),
        replaces=replaces,
        submitted_at=envelope.submitted_at,
        source=envelope.source,
        respondent=envelope.respondent,
        unique_key=_unique_key(version, envelope) if version.unique_by is not None else None,
        metadata=envelope.metadata,
        answer_metadata=checked.answer_metadata,
        flags=checked.flags,
        fingerprints=checked.fingerprints,
        recognised=checked.recognised,
    )


def checks_as_json(outcomes: Sequence[CheckOutcome]) -> list[dict[str, Any]]:
    """What each check said, for a reply. Times are left out: a replay must get the same body."""
    return [
        {"check": outcome.check, "outcome": outcome.outcome, "findings": [finding.as_json() for finding in outcome.findings]}
        for outcome in outcomes
    ]


def stored_checks(names: Sequence[str], flags: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the checks said when the response was stored, from its flags: a replay is told that, not what they say today."""
    checks = []
    for name in names:
        own = [flag for flag in flags if flag.get("check") == name]
        findings = [_without_origin(flag) for flag in own if flag.get("code") != _silent_code(str(flag.get("outcome")))]
        checks.append({"check": name, "outcome": own[0]["outcome"] if own else "passed", "findings": findings})
    return checks


def _flags(outcome: CheckOutcome) -> list[dict[str, Any]]:
    """A flag per finding. A check that could not do its work leaves one too, so that nothing is accepted unchecked in silence."""
    origin = {"check": outcome.check, "outcome": outcome.outcome}
    if outcome.findings:
        return [{**finding.as_json(), **origin} for finding in outcome.findings]
    message = f"The check {outcome.check!r} did not finish ({outcome.outcome})."
    return [{**Finding(_silent_code(outcome.outcome), message, "note").as_json(), **origin}]


def _silent_code(outcome: str) -> str:
    return f"check.{outcome}.silent"


def _without_origin(flag: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in flag.items() if name not in ("check", "outcome")}


def _rejection(outcomes: Sequence[CheckOutcome]) -> Problem:
    findings = [finding for outcome in outcomes for finding in outcome.findings if finding.severity == "reject"]
    places = places_of(findings)
    count = len({place.question for place in places})
    detail = findings[0].message if len(findings) == 1 else f"{len(findings)} faults in {count} questions."
    return Problem("answers-rejected", detail if places else None, places=places, extra={"checks": checks_as_json(outcomes)})


def _unique_key(version: FormVersion, envelope: Envelope) -> str | None:
    name = version.unique_by
    assert name is not None
    value = envelope.respondent if name == RESPONDENT else envelope.answers.get(name)
    if value is None or isinstance(value, str):
        return value or None
    return canonical(value).decode()
