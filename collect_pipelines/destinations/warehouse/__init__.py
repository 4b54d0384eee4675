"""The `warehouse` destination: one typed table per form in a DuckDB file, a database or Parquet files, loaded through dlt."""

from collect_pipelines.destinations.warehouse.config import WarehouseConfig
from collect_pipelines.destinations.warehouse.destination import Warehouse

__all__ = ["Warehouse", "WarehouseConfig"]
