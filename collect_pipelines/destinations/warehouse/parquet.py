"""
One folder of Parquet files per form, in which every response stands in one file for ever.

dlt can only add files to a folder: an edited response would show twice. So the files are ours, opened through dlt. A new response
goes to the end of the last file; an edit or deletion rewrites the one file that holds its response; each file is replaced in one
step. Whoever reads all files of the folder therefore sees each response once, at any moment and after any crash.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow.parquet as pq

from collect_pipelines.destinations.warehouse.folder import Folder
from collect_pipelines.destinations.warehouse.loads import Load
from collect_pipelines.destinations.warehouse.naming import DELETIONS, QUESTIONS
from collect_pipelines.errors import Blocked

__all__ = ["ParquetTable"]

PART_ROWS = 100_000  # rewriting a file for one edit takes ~0.1 s; 10 M responses are a hundred files
PART_BYTES = 64_000_000  # and with long answers it should not take longer


@dataclass(frozen=True)
class _Part:
    name: str
    rows: int
    bytes: int
    max_position: int
    types: dict[str, pl.DataType]


class ParquetTable:
    """The files of one table. Used under `Folder.only_process`."""

    def __init__(self, folder: Folder, load: Load) -> None:
        self._folder, self._load, self._key = folder, load, list(load.key)
        self._deletions, self._questions = f"{DELETIONS}/{load.table}.parquet", f"{QUESTIONS}/{load.table}.parquet"

    def bring_up(self) -> None:
        """
        Brings the files to the state after the load; again changes nothing. The guard is asked before every write.

        Raises Blocked when a column of the files has another type than the form needs.
        """
        parts = self._parts()
        columns = self._columns(parts)
        self._describe()
        self._remember_deletions()
        rows = self._not_deleted()
        for part in parts:
            last = part is parts[-1] and part.bytes < PART_BYTES
            rows = self._rewrite(part, rows, columns, room=max(PART_ROWS - part.rows, 0) if last else 0)
        for number, start in enumerate(range(0, rows.height, PART_ROWS), start=len(parts) + 1):
            self._write(f"{self._load.table}/part-{number:06d}.parquet", _aligned(rows[start : start + PART_ROWS], columns))

    def missing(self) -> int:
        """How many entries of the load the files do not show: neither they nor anything newer."""
        keys = [self._keys(part) for part in self._parts() if self._may_hold(part)]
        stored = pl.concat([*keys, self._load.frame.select(KEYS).clear()]).group_by(self._key).agg(there=pl.col("_position").max())
        gone = self._known_deletions().select("_response_id", gone="_position")
        looked_up = self._load.frame.join(stored, on=self._key, how="left").join(gone, on="_response_id", how="left")
        there, position = pl.col("there").fill_null(0), pl.col("_position")
        shown = pl.max_horizontal(there, pl.col("gone").fill_null(0)) >= position
        left_over = (pl.col("_operation") == "delete") & there.is_between(1, position) & self._load.removes
        return looked_up.filter(~shown | left_over).height

    def _parts(self) -> list[_Part]:
        return [self._part(name) for name in self._folder.names(self._load.table)]

    def _part(self, name: str) -> _Part:
        with self._folder.open(name) as file:
            facts = pq.read_metadata(file)
            place = facts.schema.names.index("_position")
            groups = [facts.row_group(number).column(place).statistics for number in range(facts.num_row_groups)]
            file.seek(0)
            types = dict(pl.read_parquet_schema(file))
        newest = max((group.max for group in groups if group is not None and group.has_min_max), default=0)
        return _Part(name, facts.num_rows, self._folder.size(name), newest, types)

    def _columns(self, parts: Sequence[_Part]) -> dict[str, pl.DataType]:
        """Columns that every file has after the load: those that are there in their order, then new ones."""
        columns = dict(parts[0].types) if parts else {}
        for part in parts:
            for name, stored in part.types.items():
                wanted = self._load.types.get(name, stored)
                if stored != wanted:
                    raise Blocked(
                        f"Column {name} of {part.name} holds {stored}, the form needs {wanted}.",
                        fix="Set another `dataset` in the integration's configuration, or move the folder of this table away, then "
                        "fill it anew: docs/destinations/warehouse.md.",
                    )
                columns.setdefault(name, stored)
        return columns | self._load.types

    def _rewrite(self, part: _Part, rows: pl.DataFrame, columns: dict[str, pl.DataType], room: int) -> pl.DataFrame:
        """Changes what the load changes in this file, and fills it up; returns the rows that stand in no file so far."""
        complete = part.types.keys() == columns.keys()
        newer, gone = rows.clear(), self._load.gone.clear()
        if self._may_hold(part):
            keys = self._keys(part).select(*self._key, stored="_position")
            found = rows.join(keys, on=self._key, maintain_order="left")
            newer = found.filter(pl.col("_position") > pl.col("stored")).select(rows.columns)
            gone = self._load.gone.join(keys, on="_response_id").filter(pl.col("stored") <= pl.col("_position"))
            rows = rows.join(keys, on=self._key, how="anti", maintain_order="left")
        added, rows = rows.head(room), rows.slice(room)
        if complete and not (newer.height or gone.height or added.height):
            return rows
        kept = self._read(part).join(newer, on=self._key, how="anti", maintain_order="left")
        kept = kept.join(gone, on="_response_id", how="anti", maintain_order="left")
        changed = pl.concat([_aligned(frame, columns) for frame in (kept, newer, added)])
        self._write(part.name, changed.sort("_position"))
        return rows

    def _may_hold(self, part: _Part) -> bool:
        """False when no response of the load can stand in the file: a first revision stands nowhere before its own position."""
        entries = self._load.frame
        first = entries["_position"].min()
        only_new = self._load.history or bool((entries["_revision"] == 1).all())
        return not only_new or (isinstance(first, int) and part.max_position >= first)

    def _keys(self, part: _Part) -> pl.DataFrame:
        return self._read(part, KEYS)

    def _read(self, part: _Part, columns: list[str] | None = None) -> pl.DataFrame:
        with self._folder.open(part.name) as file:
            return pl.read_parquet(file, columns=columns)

    def _not_deleted(self) -> pl.DataFrame:
        if self._load.history:
            return self._load.rows
        later = self._load.rows.join(self._known_deletions().select("_response_id", gone="_position"), on="_response_id")
        return self._load.rows.join(
            later.filter(pl.col("gone") > pl.col("_position")), on="_response_id", how="anti", maintain_order="left"
        )

    def _remember_deletions(self) -> None:
        # before the rows go, so that no crash in between can bring one back
        gone = self._load.gone.select(pl.lit(self._load.table).alias("table_name"), "_response_id", "_position")
        if not gone.height:
            return
        known = self._known_deletions()
        newest = pl.concat([known, gone]).group_by("table_name", "_response_id").agg(pl.col("_position").max()).sort("_position")
        if not newest.equals(known):
            self._write(self._deletions, newest)

    def _known_deletions(self) -> pl.DataFrame:
        if self._load.history or not self._folder.exists(self._deletions):
            return pl.DataFrame(schema=DELETION_TYPES)
        with self._folder.open(self._deletions) as file:
            return pl.read_parquet(file)

    def _describe(self) -> None:
        if self._folder.exists(self._questions):
            with self._folder.open(self._questions) as file:
                if pl.read_parquet(file).equals(self._load.questions):
                    return
        self._write(self._questions, self._load.questions)

    def _write(self, name: str, frame: pl.DataFrame) -> None:
        self._load.guard()
        self._folder.replace(name, frame)


KEYS = ["_response_id", "_revision", "_position"]
DELETION_TYPES = {"table_name": pl.String, "_response_id": pl.String, "_position": pl.Int64}


def _aligned(frame: pl.DataFrame, columns: dict[str, pl.DataType]) -> pl.DataFrame:
    """The frame with all of the columns, in order; those it lacks are empty."""
    missing = [pl.lit(None, kind).alias(name) for name, kind in columns.items() if name not in frame.columns]
    return frame.with_columns(missing).select(list(columns))
