"""dlt as this product uses it: quiet, keeping nothing, and never loading what a crash left behind."""

import os
import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dlt
import polars as pl
from dlt.common.configuration.utils import get_resolved_traces
from dlt.common.data_types import TDataType
from dlt.common.destination import Destination
from dlt.common.schema.typing import TColumnSchema, TSchemaContractDict, TUpsertStrategyDict
from dlt.common.typing import TLoaderFileFormat
from dlt.extract import DltResource

__all__ = ["DLT_ENVIRONMENT", "DLT_TYPES", "Merge", "Pipelines", "quiet"]

DLT_ENVIRONMENT = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__INTERCEPT_SIGNALS": "false",  # signals mean what our own process says, also during a load
    "RUNTIME__LOG_LEVEL": "CRITICAL",  # errors are raised to us; a log line of dlt may quote an answer (promise 10)
    "ENABLE_RUNTIME_TRACE": "false",
    "DATA_WRITER__DISABLE_COMPRESSION": "true",  # the files live for a second, and compressing them would be a fifth of the work
    "LOAD__DELETE_COMPLETED_JOBS": "true",  # else every answer ever loaded stays on disk as parquet
    "LOAD__TRUNCATE_STAGING_DATASET": "true",
    "LOAD__WORKERS": "1",
    "LOAD__RAISE_ON_MAX_RETRIES": "1",  # the core retries; dlt would sleep between tries of its own
}
"""dlt starts its telemetry as soon as its configuration is first touched, so `dlt.config` would be too late."""

DLT_TYPES: dict[pl.DataType, TDataType] = {
    pl.Int64(): "bigint",
    pl.Float64(): "double",
    pl.String(): "text",
    pl.Boolean(): "bool",
    pl.Date(): "date",
    pl.Datetime("us", "UTC"): "timestamp",
}
CONTRACT: TSchemaContractDict = {"tables": "evolve", "columns": "evolve", "data_type": "freeze"}
"""New questions become new columns; a column never changes its type, which dlt would do by silent truncation."""

_PROCESS = uuid.uuid4().hex


def quiet() -> None:
    """Sets dlt up before it is used in this thread: no call home (`DLT_ENVIRONMENT`), nothing kept from run to run."""
    os.environ.update(DLT_ENVIRONMENT)
    # dlt logs every setting it looks up, with what was on the stack then, and without its traces never forgets: 1 kB a row
    traces = get_resolved_traces()
    traces.logging_enabled = False
    traces.clear()


@dataclass(frozen=True)
class Merge:
    """Rows for one table."""

    table: str
    rows: pl.DataFrame
    """Unique by `key`."""
    key: tuple[str, ...]
    source_filter: str | None
    """SQL condition on a staged row; rows that do not pass it change nothing."""


@dataclass
class Pipelines:
    """The dlt pipelines of one dataset: one per shard of forms, since a run costs more with every table it knows."""

    home: Path
    """Folder for dlt's working folders. It holds no answers after a load."""
    dataset: str
    destination: Callable[[], Destination[Any, Any]]
    stamp: Callable[[], str] = str
    """Changes when the warehouse was replaced: what dlt remembers of the old one is void then."""
    file_format: Callable[[Sequence[pl.DataFrame]], TLoaderFileFormat | None] = lambda _frames: None
    """The format in which dlt hands the rows over; None: the destination's usual one."""
    _ready: dict[str, dlt.Pipeline] = field(default_factory=dict)

    def __post_init__(self) -> None:
        quiet()

    def merge(self, shard: str, merges: Sequence[Merge]) -> None:
        """Upserts rows into tables of one shard, all in one package; each table changes in one statement."""
        quiet()
        resources = [_resource(merge) for merge in merges]
        pipeline = self._take(shard)
        source = dlt.source(lambda: resources, name=shard)()
        wanted = self.file_format([merge.rows for merge in merges])
        pipeline.run(source, loader_file_format=wanted) if wanted else pipeline.run(source)
        shutil.rmtree(Path(pipeline.working_dir) / "load" / "loaded")  # dlt would keep a folder per load for ever
        self._ready[shard] = pipeline  # after a failed load it is not ready: the next load starts from a clean folder

    def forget(self, shard: str) -> None:
        """Throws the shard's working folder away."""
        self._ready.pop(shard, None)
        shutil.rmtree(self.home / shard, ignore_errors=True)

    def _take(self, shard: str) -> dlt.Pipeline:
        """
        The shard's pipeline, in a working folder that only this process has touched and that holds no unfinished package.

        After a crash, a failed load or a load by another process the folder is thrown away: dlt restores what it needs from
        the warehouse, and the core sends the batch again. An old package left there must never be loaded after newer data,
        and while one is pending dlt would load it *instead of* the rows it is given.
        """
        owner = self.home / f"{shard}.owner"
        mine = f"{_PROCESS} {os.getpid()} {self.stamp()}"
        ready = self._ready.pop(shard, None)
        if ready is not None and owner.exists() and owner.read_text() == mine and not ready.has_pending_data:
            return ready
        self.home.mkdir(parents=True, exist_ok=True)
        if (self.home / shard).exists():
            shutil.rmtree(self.home / shard)
        owner.write_text(mine)
        return dlt.pipeline(shard, pipelines_dir=str(self.home), destination=self.destination(), dataset_name=self.dataset)


def _resource(merge: Merge) -> DltResource:
    disposition: TUpsertStrategyDict = {"disposition": "merge", "strategy": "upsert"}
    if merge.source_filter:
        disposition["source_filter"] = merge.source_filter
    columns: dict[str, TColumnSchema] = {
        name: {"name": name, "data_type": DLT_TYPES[kind], "nullable": name not in merge.key} for name, kind in merge.rows.schema.items()
    }
    return dlt.resource(
        [merge.rows.to_arrow()],
        name=merge.table,
        columns=columns,
        primary_key=merge.key,
        write_disposition=disposition,
        schema_contract=CONTRACT,
    )
