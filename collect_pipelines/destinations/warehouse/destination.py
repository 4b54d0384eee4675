"""The class the core drives. Nothing heavy is imported before the first probe or delivery."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from collect_pipelines.destinations.interface import Batch, Capability, Delivery, Destination, DestinationConfig, Guarantee, ProbeReport
from collect_pipelines.destinations.warehouse.naming import table_name
from collect_pipelines.errors import Blocked, TryLater

if TYPE_CHECKING:
    from collect_pipelines.destinations.warehouse.loading import Loader

__all__ = ["Warehouse", "WarehouseConfig"]

PREVIEW_ROWS = 20  # fits a terminal


class WarehouseConfig(DestinationConfig):
    """Where the rows of the form go and what a deletion means there."""

    path: Path | None = Field(default=None, description="DuckDB file. Unset: the default warehouse of this installation.")
    dataset: str = Field(
        default="forms",
        pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$",
        max_length=40,
        description="Schema inside the file. Give a second integration of the same form another dataset.",
    )
    on_delete: Literal["delete", "tombstone"] = Field(
        default="delete",
        description="`delete` removes the row of a deleted response; `tombstone` keeps it with empty answers and `_operation` = delete.",
    )
    read_copy: bool = Field(
        default=True, description="Keep a copy `NAME.read.duckdb` beside the file that people can query while rows are loaded."
    )


class Warehouse(Destination):
    """One typed table per form in a DuckDB file: one row per response, its newest revision."""

    kind: ClassVar[str] = "warehouse"
    Config: ClassVar[type[DestinationConfig]] = WarehouseConfig
    guarantee: ClassVar[Guarantee] = "exactly_once"
    supports: ClassVar[frozenset[Capability]] = frozenset({"upsert", "delete"})
    values: ClassVar[Literal["display", "typed"]] = "typed"
    max_rows: ClassVar[int] = 50_000
    max_bytes: ClassVar[int] = 64_000_000  # 50,000 ordinary responses are ~30 MB; bounds the memory of one load to some 100 MB
    min_interval_seconds: ClassVar[float] = 5.0  # a load costs 0.3 s whatever its size

    config: WarehouseConfig
    _used: "Loader | None" = None

    def probe(self) -> ProbeReport:
        """Opens the file for writing. Raises Blocked when it can't, TryLater while another program holds it."""
        from collect_pipelines.destinations.warehouse.database import read_copy_path

        loader = self._loader()
        table = f"{self.config.dataset}.{table_name(self.context.form)}"
        rows = loader.count(self.context.form)
        path = loader.database.path
        copy = str(read_copy_path(path)) if self.config.read_copy else None
        return ProbeReport(
            summary=f"{path} can be written; table {table} holds {rows} rows.",
            facts={"path": str(path), "table": table, "rows": rows, "read_copy": copy},
        )

    def preview(self, batch: Batch) -> str:
        """The first rows as they would stand in the table, with column types."""
        import polars as pl

        from collect_pipelines.destinations.warehouse.frame import table_rows

        rows = table_rows(batch, self.config.on_delete)
        removed = batch.frame.height - rows.height
        heading = f"{self.config.dataset}.{table_name(batch.form)}: {rows.height} rows to merge, {removed} to remove"
        with pl.Config(tbl_cols=-1, tbl_rows=PREVIEW_ROWS, fmt_str_lengths=80, tbl_width_chars=-1):
            return f"{heading}\n{rows}"

    def deliver(self, batch: Batch) -> Delivery:
        """Merges the batch into the form's table; every row is proven to be there before this returns."""
        sent = self._loader().load(batch, on_delete=self.config.on_delete, read_copy=self.config.read_copy, guard=self.context.guard)
        return Delivery.complete(batch, api_calls=1, sent_bytes=sent)

    def close(self) -> None:
        """Renews the read copy if it lags behind the last load."""
        if self._used is not None and self.config.read_copy:
            with suppress(TryLater):  # whoever holds the file publishes after its own load
                self._used.database.publish()

    def _loader(self) -> "Loader":
        from collect_pipelines.destinations.warehouse.loading import loader

        path = (self.config.path or Path(self.context.setting("warehouse_path"))).absolute()
        if path.stem == self.config.dataset:
            raise Blocked(
                f"The file {path.name} and the dataset {self.config.dataset} share a name, which DuckDB can't tell apart.",
                fix="Rename the file or set another `dataset` in the integration's configuration.",
            )
        self._used = loader(path, self.config.dataset)
        return self._used
