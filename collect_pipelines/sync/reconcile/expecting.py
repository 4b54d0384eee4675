"""From an integration to the rules of its comparison, and to what its filters say of the entries of its form."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl
from sqlalchemy import Connection

from collect_pipelines.destinations.interface import Destination
from collect_pipelines.errors import RuleInvalid
from collect_pipelines.forms.columns import Column
from collect_pipelines.store.backfill_records import list_backfills, unsent
from collect_pipelines.store.batches import open_batch
from collect_pipelines.store.comparing.comparison import Rules, Verdict
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import form_by_id
from collect_pipelines.store.integrations import Integration, recall
from collect_pipelines.store.log import read_entries
from collect_pipelines.store.stretches import Stretch, within, without
from collect_pipelines.sync.entries import text_frame
from collect_pipelines.sync.mapping.filtering import Filter, read_filter
from collect_pipelines.sync.mapping.freezing import EARLIER_THROUGH, MODE_THROUGH, earlier_filters, frozen
from collect_pipelines.sync.mapping.plan import Plan
from collect_pipelines.sync.mapping.render import unfit
from collect_pipelines.sync.versions import Versions

__all__ = ["Judge", "expectation"]

CHUNK_ENTRIES = 20_000  # of the log in memory at once: some megabytes
EVERYTHING = 2**62


@dataclass(frozen=True, slots=True)
class Judge:
    """The filters an integration has and had."""

    form_id: int
    through: int
    now: Filter | None
    earlier: tuple[Filter, ...]
    """Those that can still be read."""
    earlier_through: int
    """Up to here entries may have been delivered under an earlier one."""
    anything: bool
    """Some earlier filter let through everything, or nobody can tell what it let through."""
    unknown: bool
    """An earlier filter can't be read any more."""

    def verdicts(self, database: Database) -> Iterator[Verdict]:
        """The entries that do not pass every filter, chunk by chunk of the log."""
        if self.now is None and not self.earlier and not self.unknown:
            return
        columns = self._columns()
        for after in range(0, self.through, CHUNK_ENTRIES):
            last = min(after + CHUNK_ENTRIES, self.through)
            with database.begin() as connection:
                csv = read_entries(connection, self.form_id, after, last, [column.keys for column in columns], without_quarantined=True)
            yield from self._judged(text_frame(csv, columns))

    def _judged(self, entries: pl.DataFrame) -> Iterator[Verdict]:
        older = entries["_position"] <= self.earlier_through
        some = every = pl.Series([True] * entries.height) if self.now is None else self.now.passes(entries)
        for one in self.earlier:
            passes = one.passes(entries)
            some, every = some | (older & passes), every & (~older | passes)
        if self.anything:
            some = some | older
        if self.unknown:
            every = every & ~older
        rows = pl.DataFrame({"position": entries["_position"], "some": some, "every": every}).filter(~pl.col("every"))
        yield from rows.iter_rows()

    def _columns(self) -> Sequence[Column]:
        filters = [one for one in (self.now, *self.earlier) if one is not None]
        return list({column.name: column for one in filters for column in one.columns.values()}.values())


def expectation(connection: Connection, integration: Integration, kind: type[Destination], versions: Versions) -> tuple[Rules, Judge]:
    """What the integration does with the entries up to its cursor. Raises Blocked when its mapping does not fit the form."""
    form = form_by_id(connection, integration.form_id)
    plan = versions.plan(connection, form.form_id, form.version, frozen(connection, integration), kind)
    if plan.misfits:
        raise unfit(integration.name, plan.misfits)
    columns = versions.columns(connection, form.form_id, form.version, plan.mapping.language)
    judge = _judge(connection, integration, plan, columns)
    left_out = unsent(connection, integration.integration_id)
    doubtful = _on_their_way(connection, integration, left_out)
    mode_through = recall(connection, integration.integration_id, MODE_THROUGH)
    rules = Rules(
        form_id=form.form_id,
        integration_id=integration.integration_id,
        through=integration.cursor,
        start=integration.start_position,
        unsent=without(left_out, doubtful),
        doubtful=doubtful,
        append_only=plan.append_only,
        takes_back=plan.takes_back,
        deletes_in_rows=plan.on_delete == "tombstone" and plan.filter is None,
        mode_through=mode_through if isinstance(mode_through, int) else 0,
    )
    return rules, judge


def _judge(connection: Connection, integration: Integration, plan: Plan, columns: Sequence[Column]) -> Judge:
    # not the plan's own: without a filter it has none, although what an earlier one left out is not there
    texts = earlier_filters(connection, integration)
    through = recall(connection, integration.integration_id, EARLIER_THROUGH)
    readable = []
    for text in texts:
        try:
            if text is not None:
                readable.append(read_filter(text, columns, plan.zone))
        except RuleInvalid:
            continue
    unknown = len(readable) < sum(text is not None for text in texts)
    return Judge(
        integration.form_id,
        integration.cursor,
        plan.filter,
        tuple(readable),
        through if isinstance(through, int) else EVERYTHING if texts else 0,
        None in texts or unknown,
        unknown,
    )


def _on_their_way(connection: Connection, integration: Integration, left_out: Sequence[Stretch]) -> list[Stretch]:
    """What of it a backfill, or its last batch, may have sent by now."""
    found = open_batch(connection, integration.integration_id)
    ranges = [(one.from_position, one.to_position) for one in list_backfills(connection, integration.integration_id, unfinished=True)]
    if found is not None and found.purpose == "backfill":
        ranges.append((found.from_position, found.to_position))
    return sorted({stretch for first, last in ranges for stretch in within(left_out, first, last)})
