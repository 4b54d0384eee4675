"""dlt as this product uses it: quiet, keeping nothing, and never loading what a crash left behind."""

import os
import shutil
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import dlt
import polars as pl
from dlt.common.data_types import TDataType
from dlt.common.schema.typing import TColumnSchema, TSchemaContractDict, TUpsertStrategyDict

from collect_pipelines.destinations.warehouse.naming import shard_name

__all__ = ["DLT_ENVIRONMENT", "Pipelines"]

DLT_ENVIRONMENT = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__INTERCEPT_SIGNALS": "false",  # signals mean what our own process says, also during a load
    "RUNTIME__LOG_LEVEL": "CRITICAL",  # errors are raised to us; a log line of dlt may quote an answer (promise 10)
    "ENABLE_RUNTIME_TRACE": "false",
    "LOAD__DELETE_COMPLETED_JOBS": "true",  # else every answer ever loaded stays on disk as parquet
    "LOAD__TRUNCATE_STAGING_DATASET": "true",
    "LOAD__WORKERS": "1",
    "LOAD__RAISE_ON_MAX_RETRIES": "1",  # the core retries; dlt would sleep between tries of its own
}
"""dlt starts its telemetry as soon as its configuration is first touched, so `dlt.config` would be too late."""

TYPES: dict[pl.DataType, TDataType] = {
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


@dataclass
class Pipelines:
    """The dlt pipelines of one dataset of a file: one per shard of forms, since a run costs more with every table it knows."""

    path: Path
    dataset: str
    _ready: dict[str, dlt.Pipeline] = field(default_factory=dict)

    def __post_init__(self) -> None:
        os.environ.update(DLT_ENVIRONMENT)

    def merge(self, form: str, table: str, rows: pl.DataFrame, source_filter: str) -> None:
        """Upserts the rows (unique by response id) that pass the filter into the table, adding table and columns as needed."""
        disposition: TUpsertStrategyDict = {"disposition": "merge", "strategy": "upsert", "source_filter": source_filter}
        resource = dlt.resource(
            [rows.to_arrow()],
            name=table,
            columns=_declared(rows),
            primary_key="_response_id",
            write_disposition=disposition,
            schema_contract=CONTRACT,
        )
        shard = shard_name(form)
        pipeline = self._take(shard)
        pipeline.run(dlt.source(lambda: resource, name=shard)())
        shutil.rmtree(Path(pipeline.working_dir) / "load" / "loaded")  # dlt would keep a folder per load for ever
        self._ready[shard] = pipeline  # after a failed load it is not ready: the next load starts from a clean folder

    def _take(self, shard: str) -> dlt.Pipeline:
        """
        The shard's pipeline, in a working folder that only this process has touched and that holds no unfinished package.

        After a crash, a failed load or a load by another process the folder is thrown away: dlt restores what it needs from
        the warehouse, and the core sends the batch again. An old package left there must never be loaded after newer data,
        and while one is pending dlt would load it *instead of* the rows it is given.
        """
        home = self.path.with_name(f"{self.path.name}.dlt") / self.dataset
        owner = home / f"{shard}.owner"
        mine = f"{_PROCESS} {os.getpid()} {self.path.stat().st_ino}"
        ready = self._ready.pop(shard, None)
        if ready is not None and owner.exists() and owner.read_text() == mine and not ready.has_pending_data:
            return ready
        home.mkdir(parents=True, exist_ok=True)
        if (home / shard).exists():
            shutil.rmtree(home / shard)
        owner.write_text(mine)
        destination = dlt.destinations.duckdb(str(self.path))
        return dlt.pipeline(shard, pipelines_dir=str(home), destination=destination, dataset_name=self.dataset)


def _declared(rows: pl.DataFrame) -> dict[str, TColumnSchema]:
    return {name: {"name": name, "data_type": TYPES[kind], "nullable": name != "_response_id"} for name, kind in rows.schema.items()}
