"""Batches into their tables: merged by key, never backwards, and proven afterwards; several forms in one load."""

from collections.abc import Iterable, Sequence
from contextlib import suppress

from dlt.common.exceptions import DltException
from dlt.common.schema.exceptions import DataValidationError

from collect_pipelines.destinations.warehouse.loads import Load
from collect_pipelines.destinations.warehouse.pipelines import Merge
from collect_pipelines.destinations.warehouse.session import Session, SqlWarehouse
from collect_pipelines.errors import Blocked, DeliveryError, LeaseLost, TryLater

__all__ = ["Result", "SqlLoader"]

Result = int | DeliveryError
"""Bytes handed to dlt, or why the batch is not in the warehouse."""


class SqlLoader:
    """Loads into one dataset of a warehouse that speaks SQL. Safe to use from several threads."""

    def __init__(self, warehouse: SqlWarehouse) -> None:
        self.warehouse, self.place = warehouse, warehouse.place

    def load(self, loads: Sequence[Load], *, read_copy: bool) -> list[Result]:
        """
        Brings the tables to the state after the batches; loading them again changes nothing. One result per load, in order.

        Raises TryLater (busy, or `unknown` when it failed on the way) and Blocked when no load can be done at all.
        """
        with self.warehouse.writing() as session:
            session.prepare()
            call = _Call(self.warehouse, session, loads)
            for turn in _turns(loads):  # two batches of one table can't be merged by one statement
                call.make_room(turn)
                call.merge(turn)
                call.prove(turn)
            session.loaded(read_copy=read_copy)
        return call.results

    def count(self, table: str) -> int:
        """Rows of the table; proves that the warehouse can be opened and written."""
        with self.warehouse.writing() as session:
            session.prepare()
            return session.count(table)


class _Call:
    """One call of `load`: what became of each load so far."""

    def __init__(self, warehouse: SqlWarehouse, session: Session, loads: Sequence[Load]) -> None:
        self._warehouse, self._session, self._loads = warehouse, session, loads
        self._failed: dict[int, DeliveryError] = {}

    @property
    def results(self) -> list[Result]:
        return [self._failed.get(place, int(load.rows.estimated_size())) for place, load in enumerate(self._loads)]

    def make_room(self, turn: Iterable[int]) -> None:
        """Tables, columns and deletions. A question that does not fit its column concerns its own batch only."""
        stored = self._session.stored_types([self._loads[place].table for place in turn])
        for place in turn:
            load = self._loads[place]
            try:
                load.guard()
                self._extend(load, stored.get(load.table, {}))
            except LeaseLost:
                self._failed[place] = TryLater("Another worker took this integration over.")
                continue
            except Blocked as exc:
                self._failed[place] = exc
                continue
            if load.gone.height:
                self._session.remove(load)

    def merge(self, turn: Iterable[int]) -> None:
        """One package of dlt per shard; when a package fails, each of its tables by itself, so that the others land."""
        shards: dict[str, list[int]] = {}
        for place in turn:
            if place not in self._failed and self._loads[place].rows.height:
                shards.setdefault(self._loads[place].shard, []).append(place)
        for shard, places in shards.items():
            if len(places) > 1 and self._merged_together(shard, places):
                continue
            for place in places:
                self._merge_alone(shard, place)

    def prove(self, turn: Iterable[int]) -> None:
        """Looks every entry up, and keeps the questions table up to date."""
        for place in turn:
            if place in self._failed:
                continue
            load = self._loads[place]
            self._session.describe(load)
            missing = self._session.missing(load)
            if missing:
                name = f"{self._warehouse.dataset}.{load.table}"
                self._failed[place] = TryLater(f"{missing} of {load.frame.height} rows are not in {name} after the load.", unknown=True)

    def _extend(self, load: Load, stored: dict[str, str]) -> None:
        new = {name: kind for name, kind in load.types.items() if name not in stored}
        for name in load.types.keys() - new.keys():
            needed = self._session.type_name(load.types[name])
            if stored[name] != needed:
                raise Blocked(
                    f"Column {name} of {self._warehouse.dataset}.{load.table} holds {stored[name]}, the form needs {needed}.",
                    fix=f"Rename that column in {self._warehouse.place}, then resume; older answers stay in the renamed one.",
                )
        if new:
            self._session.extend(load.table, new, exists=bool(stored), key=load.key)

    def _merge(self, shard: str, places: Sequence[int]) -> None:
        loads = [self._loads[place] for place in places]
        merges = [Merge(load.table, load.rows, load.key, self._session.not_older(load)) for load in loads]
        try:
            self._warehouse.pipelines.merge(shard, merges)
        except DltException as exc:
            if not _stale(exc):
                raise
            # the columns were compared with the tables just now, so it is dlt's memory that is old
            self._warehouse.pipelines.forget(shard)
            self._session.forget(shard, [merge.table for merge in merges])
            self._warehouse.pipelines.merge(shard, merges)

    def _merged_together(self, shard: str, places: Sequence[int]) -> bool:
        try:
            with self._warehouse.explained():
                self._merge(shard, places)
        except DeliveryError:
            return False
        return True

    def _merge_alone(self, shard: str, place: int) -> None:
        try:
            with self._warehouse.explained():
                self._merge(shard, [place])
        except DeliveryError as exc:
            self._failed[place] = exc
            with suppress(DeliveryError), self._warehouse.explained():  # whatever was wrong, the next attempt starts from nothing
                self._session.forget(shard, [self._loads[place].table])


def _turns(loads: Sequence[Load]) -> list[list[int]]:
    """Places of the loads, in order, in groups that hold no table twice."""
    turns: list[list[int]] = []
    seen: dict[str, int] = {}
    for place, load in enumerate(loads):
        turn = seen.get(load.table, 0)
        seen[load.table] = turn + 1
        if turn == len(turns):
            turns.append([])
        turns[turn].append(place)
    return turns


def _stale(error: BaseException) -> bool:
    """True when dlt refused the rows for what it believes of the table."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, DataValidationError):
            return True
        link = link.__cause__ or link.__context__
    return False
