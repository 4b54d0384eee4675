"""The class the core drives. Nothing heavy is imported before the first probe or delivery."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, Literal

from collect_pipelines.destinations.interface import (
    Batch,
    Capability,
    Delivery,
    Destination,
    DestinationConfig,
    Guarantee,
    OnDelete,
    ProbeReport,
)
from collect_pipelines.destinations.warehouse.config import WarehouseConfig
from collect_pipelines.destinations.warehouse.naming import shard_name, table_name
from collect_pipelines.destinations.warehouse.targets import duckdb_path, loader_of, shares
from collect_pipelines.errors import DeliveryError, LeaseLost, TryLater
from collect_pipelines.model import JsonValue

if TYPE_CHECKING:
    from collect_pipelines.destinations.warehouse.loads import Load
    from collect_pipelines.destinations.warehouse.targets import Loader

__all__ = ["Warehouse"]

PREVIEW_ROWS = 20  # fits a terminal


class Warehouse(Destination):
    """One typed table per form: one row per response, its newest revision; with `append_only` one row per revision."""

    kind: ClassVar[str] = "warehouse"
    Config: ClassVar[type[DestinationConfig]] = WarehouseConfig
    guarantee: ClassVar[Guarantee] = "exactly_once"
    supports: ClassVar[frozenset[Capability]] = frozenset({"upsert", "delete", "append"})
    deletes: ClassVar[tuple[OnDelete, ...]] = ("delete", "tombstone")
    keyed: ClassVar[bool] = True
    values: ClassVar[Literal["display", "typed"]] = "typed"
    max_rows: ClassVar[int] = 100_000  # DuckDB writes as many into its file at once; half as many cost a third more per row
    max_bytes: ClassVar[int] = 64_000_000  # 100,000 ordinary responses are ~54 MB; bounds the memory of one load to some 100 MB
    min_interval_seconds: ClassVar[float] = 5.0  # a load of up to 1,000 rows costs 0.2 s, as much as one of a single row

    config: WarehouseConfig
    _used: "Loader | None" = None
    _number: int | None = None

    def probe(self) -> ProbeReport:
        """Opens the warehouse for writing. Raises Blocked when it can't, TryLater while another program holds it."""
        loader = self._loader()
        table = table_name(self.context.form)
        rows = loader.count(table)
        facts: dict[str, JsonValue] = {**self._place(loader), "table": f"{self.config.dataset}.{table}", "rows": rows}
        return ProbeReport(summary=f"{loader.place} can be written; table {facts['table']} holds {rows} rows.", facts=facts)

    def preview(self, batch: Batch) -> str:
        """The first rows as they would stand in the table, with column types."""
        import polars as pl

        load = self._load(batch, shard="")
        removed = load.gone.height
        heading = f"{self.config.dataset}.{load.table}: {load.rows.height} rows to merge, {removed} to remove"
        with pl.Config(tbl_cols=-1, tbl_rows=PREVIEW_ROWS, fmt_str_lengths=80, tbl_width_chars=-1):
            return f"{heading}\n{load.rows}"

    def deliver(self, batch: Batch) -> Delivery:
        """Merges the batch into the form's table; every row is proven to be there before this returns."""
        self.context.guard()
        [result] = self.deliver_together([(self, batch)])
        if isinstance(result, Exception):
            raise result
        return result

    def shares(self) -> str | None:
        """Every integration with the same place and dataset: they share the fixed cost of one load."""
        return shares(self.config, self.context)

    @classmethod
    def deliver_together(cls, batches: "Sequence[tuple[Destination, Batch]]") -> "list[Delivery | DeliveryError]":
        """Merges batches of several forms in one load: one lock, one connection, one package of dlt per 30 forms."""
        results: list[Delivery | DeliveryError | None] = [None] * len(batches)
        loads: dict[int, Load] = {}
        for place, (destination, batch) in enumerate(batches):
            assert isinstance(destination, Warehouse)
            try:
                loads[place] = destination._load(batch, shard_name(destination._allocated()))
            except LeaseLost:
                results[place] = TryLater("Another worker took this integration over.")
        if loads:
            members = [destination for destination, _ in batches if isinstance(destination, Warehouse)]
            done = members[0]._loader().load(list(loads.values()), read_copy=any(member.config.read_copy for member in members))
            for member in members:
                member._used = members[0]._used
            for (place, batch), result in zip(((place, batches[place][1]) for place in loads), done, strict=True):
                results[place] = result if isinstance(result, DeliveryError) else Delivery.complete(batch, api_calls=1, sent_bytes=result)
        return [result for result in results if result is not None]

    def close(self) -> None:
        """Renews the read copy if it lags behind the last load."""
        if self._used is not None and self.config.to == "duckdb" and self.config.read_copy:
            from collect_pipelines.destinations.warehouse.database import database

            with suppress(TryLater):  # whoever holds the file publishes after its own load
                database(duckdb_path(self.config, self.context)).publish()

    def _loader(self) -> "Loader":
        self._used = loader_of(self.config, self.context)
        return self._used

    def _load(self, batch: Batch, shard: str) -> "Load":
        from collect_pipelines.destinations.warehouse.loads import load_of

        return load_of(batch, shard, self.context.guard)

    def _allocated(self) -> int:
        if self._number is None:
            self._number = self.context.allocate(f"warehouse {shares(self.config, self.context)}", self.context.form)
        return self._number

    def _place(self, loader: "Loader") -> dict[str, str | None]:
        if self.config.to != "duckdb":
            return {"place": loader.place}
        from collect_pipelines.destinations.warehouse.database import read_copy_path

        path = duckdb_path(self.config, self.context)
        return {"path": str(path), "read_copy": str(read_copy_path(path)) if self.config.read_copy else None}
