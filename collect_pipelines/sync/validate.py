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
from collect_pipelines.store.leases import Lease, hold_lease, release_lease, take_lease
from collect_pipelines.store.log import batch_end, read_entries
from collect_pipelines.store.validation import QuarantineEntry, settle_validation
from collect_pipelines.sync.entries import text_frame
from collect_pipelines.sync.many import History, Many
from collect_pipelines.sync.membership import oldest_age_seconds
from collect_pipelines.sync.report import CheckCount, Report
from collect_pipelines.sync.tenure import LEASE_SECONDS, Tenure, wall_seconds
from collect_pipelines.sync.versions import Versions
from collect_pipelines.validation.gate import Gate, Verdict
from collect_pipelines.validation.whole import UNJUDGED, Whole

__all__ = ["VALIDATION_LANE", "validate_pending"]

VALIDATION_LANE = "validation"
MAX_ROWS = 5000  # costs the gate little more than one row; 100,000 would hold up other forms
MAX_BYTES = 16_000_000  # of answers: 5,000 ordinary responses are half of it; judging takes at least twice as much memory


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
        records = versions.up_to(connection, form.form_id, form.version)
        columns = versions.columns(connection, form.form_id, form.version)
    definitions = {record.version: record.definition for record in records}
    read = History(database, form.form_id, definitions, columns, lease).catch_up(after)
    if read is not None:
        # bounded, so that other forms have their turn; the next micro-batch goes on
        told = f"A rule `unique` is new: its history is read up to {read:,} of {after:,}."
        return replace(report, outcome="validated", from_position=after + 1, to_position=after, full=True, message=told)
    with database.begin() as connection:
        through = batch_end(connection, form.form_id, after, form.head, max_rows, MAX_BYTES)
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
    many = Many(form.form_id, definitions)
    judgement = _Judgement(entries)
    whole = _weighed(database, gate, many, entries, definitions, judgement, full=report.full)
    if judgement.error is not None:
        return replace(report, outcome="blocked", message=f"{judgement.error} No response of the form passes until this is repaired.")
    with database.begin() as connection:
        # Promise 4: held back, remembered and moved on in one transaction
        if whole is not None:
            hold_lease(connection, lease)
            many.record(connection, whole, judgement.warnings, through)
        settle_validation(connection, form.form_id, through, judgement.held(), lease)
    held = len(judgement.positions)
    return replace(
        report,
        outcome="validated",
        delivered=entries.height - held,
        quarantined=held,
        checks=judgement.counts,
        warnings=judgement.warnings,
        message="; ".join(judgement.warnings.values()) or None,
    )


def _weighed(
    database: Database,
    gate: Gate,
    many: Many,
    entries: pl.DataFrame,
    definitions: dict[int, FormDefinition],
    judgement: "_Judgement",
    *,
    full: bool,
) -> Whole | None:
    """Judges each response by itself, then all of them together; None when no version has a rule over many, or nothing was judged."""
    for definition, rows in _by_version(entries, definitions):
        judgement.add(gate.validate(definition, rows), rows)
    if not many.needed or judgement.error is not None:
        return None
    with database.begin() as connection:
        whole = many.whole(connection, entries, judgement.positions, full=full)
    judgement.add(gate.weigh(whole), entries)
    return whole


def _by_version(entries: pl.DataFrame, definitions: dict[int, FormDefinition]) -> Iterator[tuple[FormDefinition, pl.DataFrame]]:
    """The entries to judge, each with the version it answered."""
    judged = entries.filter(~pl.col("_operation").is_in(UNJUDGED))
    for version in judged["_version"].unique().sort().to_list():
        yield definitions[version], judged.filter(pl.col("_version") == version)


class _Judgement:
    """What several verdicts say about the entries of one micro-batch together."""

    def __init__(self, entries: pl.DataFrame) -> None:
        self.error: str | None = None
        self.counts: dict[str, CheckCount] = {}
        self.warnings: dict[str, str] = {}
        self._places = {position: (response, revision) for position, response, revision in _places(entries)}
        self._findings: dict[int, list[Finding]] = {}

    @property
    def positions(self) -> set[int]:
        """Of the entries that are held back."""
        return set(self._findings)

    def add(self, verdict: Verdict, rows: pl.DataFrame) -> None:
        """One more verdict, about these rows."""
        self.error = self.error or verdict.error
        positions = rows["_position"]
        for row, findings in verdict.failures:
            self._findings.setdefault(positions[row], []).extend(findings)
        for statistic in verdict.statistics:
            failed = min(statistic.unexpected, rows.height)
            self._count(statistic.name, rows.height - failed, failed)
        for one in verdict.of_batch:
            self._count(one.name, int(one.passed), int(not one.passed))
            if not one.passed and one.severity != "note":
                self.warnings[one.name] = one.sentence

    def held(self) -> list[QuarantineEntry]:
        """The entries to hold back, with every reason."""
        return [
            QuarantineEntry(position, *self._places[position], [_reason(finding) for finding in findings])
            for position, findings in sorted(self._findings.items())
        ]

    def _count(self, name: str, passed: int, failed: int) -> None:
        before = self.counts.get(name, CheckCount(0, 0))
        self.counts[name] = CheckCount(before.passed + passed, before.failed + failed)


def _places(entries: pl.DataFrame) -> Iterator[tuple[int, str, int]]:
    yield from entries.select("_position", "_response_id", "_revision").iter_rows()


def _reason(finding: Finding) -> dict[str, object]:
    rule = f"rule.{finding.data['rule']}" if finding.code.startswith("rule.") else f"{finding.question}.{finding.code}"
    return {"rule": rule, **finding.as_json()}
