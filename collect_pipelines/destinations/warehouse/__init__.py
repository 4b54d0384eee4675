"""The `warehouse` destination: one typed table per form in a DuckDB file, loaded through dlt."""

from collect_pipelines.destinations.warehouse.destination import Warehouse, WarehouseConfig

__all__ = ["Warehouse", "WarehouseConfig"]
