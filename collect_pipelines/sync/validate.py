"""One micro-batch of validation: judge what was accepted, hold back what fails, release the rest to the destinations."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import polars as pl

from collect_pipelines.errors import LeaseLost, Unavailable
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.model import Finding
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import FormRecord, form_by_id
from collect_pipelines.store.leases import Lease, release_lease, take_lease
from collect_pipelines.store.log import batch_end, read_entries
from collect_pipelines.store.validation import QuarantineEntry, settle_validation
from collect_pipelines.sync.entries import text_frame
from collect_pipelines.sync.membership import oldest_age_seconds
from collect_pipelines.sync.report import CheckCount, Report
from collect_pipelines.sync.tenure import LEASE_SECONDS, Tenure, wall_seconds
from collect_pipelines.sync.versions import Versions
from collect_pipelines.validation.gate import Gate, Verdict

__all__ = ["VALIDATION_LANE", "validate_pending"]

VALIDATION_LANE = "validation"
MAX_ROWS = 5000  # costs the gate little more than one row; 100,000 would hold up other forms
MAX_BYTES = 16_000_000  # of answers: 5,000 ordinary responses are half of it; judging takes at least twice as much memory

UNJUDGED = ("delete", "release")  # there are no answers; and a person has decided already


def validate_pending(
    database: Database,
    gate: Gate,
    form_id: int,
    owner: str,
    max_rows: int = MAX_ROWS,
    *,
    versions: Versions | None = None,
    lease_seconds: float = LEASE_SECONDS,
) -> Report | None:
    """
    Judges up to `max_rows` entries of the form, fewer when they are large; None when another worker does, or nothing is pending.

    `blocked`: the gate could not judge, so nothing was released or held back. Raises Unavailable when Postgres is away at the start.
    """
    gate.warm_up()  # seconds when it is the first time: not under the lease
    started, taken_at = time.monotonic(), wall_seconds()
    with database.begin() as connection:
        lease = take_lease(connection, f"validation:{form_id}", owner, lease_seconds)
        if lease is None:
            return None
        form = form_by_id(connection, form_id)
        if form.validated_through >= form.head:
            release_lease(connection, lease)
            return None
    report = Report(lane=VALIDATION_LANE, form=form.reference, outcome="failed")
    try:
        # kept while judging takes long: a second worker would begin anew, and neither could settle
        with Tenure(database, lease, lease_seconds, taken_at):
            report = _judged(database, gate, form, lease, max_rows, versions or Versions(), report)
    except (LeaseLost, Unavailable) as exc:
        report = replace(report, message=exc.message)
    finally:
        with suppress(Unavailable), database.begin() as connection:
            release_lease(connection, lease)
    return replace(report, seconds=time.monotonic() - started)


def _judged(database: Database, gate: Gate, form: FormRecord, lease: Lease, max_rows: int, versions: Versions, report: Report) -> Report:
    after = form.validated_through
    with database.begin() as connection:
        through = batch_end(connection, form.form_id, after, form.head, max_rows, MAX_BYTES)
        records = versions.up_to(connection, form.form_id, form.version)
        columns = versions.columns(connection, form.form_id, form.version)
        csv = read_entries(connection, form.form_id, after, through, [column.keys for column in columns])
    entries = text_frame(csv, columns)
    report = replace(
        report,
        rows=entries.height,
        from_position=after + 1,
        to_position=through,
        oldest_age_seconds=oldest_age_seconds(entries),
        full=through < form.head,
    )
    definitions = {record.version: record.definition for record in records}
    held: list[QuarantineEntry] = []
    counts: dict[str, CheckCount] = {}
    for definition, rows in _by_version(entries, definitions):
        verdict = gate.validate(definition, rows)
        if verdict.error is not None:
            return replace(report, outcome="blocked", message=f"{verdict.error} No response of the form passes until this is repaired.")
        held += _held(rows, verdict)
        _count(counts, verdict, rows.height)
    with database.begin() as connection:
        # Promise 4: held back and moved on in one transaction
        settle_validation(connection, form.form_id, through, held, lease)
    return replace(report, outcome="validated", delivered=entries.height - len(held), quarantined=len(held), checks=counts)


def _by_version(entries: pl.DataFrame, definitions: dict[int, FormDefinition]) -> Iterator[tuple[FormDefinition, pl.DataFrame]]:
    """The entries to judge, each with the version it answered."""
    judged = entries.filter(~pl.col("_operation").is_in(UNJUDGED))
    for version in judged["_version"].unique().sort().to_list():
        yield definitions[version], judged.filter(pl.col("_version") == version)


def _held(rows: pl.DataFrame, verdict: Verdict) -> list[QuarantineEntry]:
    places = rows.select("_position", "_response_id", "_revision").rows()
    held = []
    for row, findings in verdict.failures:
        position, response, revision = places[row]
        held.append(QuarantineEntry(position, response, revision, [_reason(finding) for finding in findings]))
    return held


def _reason(finding: Finding) -> dict[str, object]:
    return {"rule": f"{finding.question}.{finding.code}", **finding.as_json()}


def _count(counts: dict[str, CheckCount], verdict: Verdict, rows: int) -> None:
    for statistic in verdict.statistics:
        before = counts.get(statistic.name, CheckCount(0, 0))
        failed = min(statistic.unexpected, rows)
        counts[statistic.name] = CheckCount(before.passed + rows - failed, before.failed + failed)
