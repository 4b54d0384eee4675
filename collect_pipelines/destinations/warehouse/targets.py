"""From a configuration to the loader behind it: one per place and process."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from collect_pipelines.destinations.interface import Context
from collect_pipelines.destinations.warehouse.config import WarehouseConfig
from collect_pipelines.errors import Blocked

if TYPE_CHECKING:
    from collect_pipelines.destinations.warehouse.loading import Result
    from collect_pipelines.destinations.warehouse.loads import Load

__all__ = ["Loader", "duckdb_path", "folder_address", "loader_of", "shares"]


class Loader(Protocol):
    """What loads batches into one dataset of one place."""

    place: str
    """As people call it, without any secret: a path, or database and host."""

    def load(self, loads: "Sequence[Load]", *, read_copy: bool) -> "list[Result]":
        """
        Brings the tables to the state after the batches, and proves it. One result per load, in order.

        Raises TryLater and Blocked when no load can be done at all.
        """

    def count(self, table: str) -> int:
        """Rows of a table; proves access by using it."""


def shares(config: WarehouseConfig, context: Context) -> str:
    """What one call can load together: the same dataset of the same place."""
    places = {"duckdb": lambda: str(duckdb_path(config, context)), "filesystem": lambda: folder_address(config, context)}
    place = places.get(config.to, lambda: str(config.credentials))()
    return f"{config.to} {place} {config.dataset}"


def loader_of(config: WarehouseConfig, context: Context) -> Loader:
    """The loader for the configuration. Raises Blocked when credentials or packages are missing or of no use."""
    from collect_pipelines.destinations.warehouse.loading import SqlLoader

    if config.to == "duckdb":
        from collect_pipelines.destinations.warehouse.duck import duck_warehouse

        path = duckdb_path(config, context)
        if path.stem == config.dataset:
            raise Blocked(
                f"The file {path.name} and the dataset {config.dataset} share a name, which DuckDB can't tell apart.",
                fix="Rename the file or set another `dataset` in the integration's configuration.",
            )
        return SqlLoader(duck_warehouse(path, config.dataset))
    secret = context.secret(config.credentials) if config.credentials else None
    if config.to == "filesystem":
        from collect_pipelines.destinations.warehouse.buckets import parquet_loader

        return parquet_loader(folder_address(config, context), secret, config.dataset)
    assert secret is not None, "the configuration requires it"
    working = Path(context.setting("data_dir")).absolute() / "warehouse.dlt"
    if config.to == "postgres":
        from collect_pipelines.destinations.warehouse.postgres import postgres_warehouse

        return SqlLoader(postgres_warehouse(secret, config.dataset, working / "postgres"))
    from collect_pipelines.destinations.warehouse.clouds import cloud_warehouse

    return SqlLoader(cloud_warehouse(config.to, secret, config.location, config.dataset, working / config.to))


def duckdb_path(config: WarehouseConfig, context: Context) -> Path:
    """The DuckDB file, absolute."""
    return (config.path or Path(context.setting("warehouse_path"))).absolute()


def folder_address(config: WarehouseConfig, context: Context) -> str:
    """The folder of Parquet files: an absolute path (a relative one is below the data folder), or an address with a scheme."""
    if config.folder and "://" in config.folder:
        return config.folder
    return str((Path(context.setting("data_dir")) / (config.folder or "parquet")).absolute())
