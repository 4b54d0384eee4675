"""A dataset of a DuckDB file: the default warehouse."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path

import dlt

from collect_pipelines.destinations.warehouse.database import Database, Writer, database
from collect_pipelines.destinations.warehouse.pipelines import Pipelines
from collect_pipelines.destinations.warehouse.problems import explained
from collect_pipelines.destinations.warehouse.statements import DuckSession

__all__ = ["DuckWarehouse", "duck_warehouse"]


@cache
def duck_warehouse(path: Path, dataset: str) -> "DuckWarehouse":
    """The one object of this process for a dataset of the file at the (absolute) path."""
    return DuckWarehouse(path, dataset)


class DuckWarehouse:
    """Implements `session.SqlWarehouse`. Made by `duck_warehouse`."""

    def __init__(self, path: Path, dataset: str) -> None:
        self.place, self.dataset = str(path), dataset
        self.database: Database = database(path)
        self.pipelines = Pipelines(
            path.with_name(f"{path.name}.dlt") / dataset,
            dataset,
            lambda: dlt.destinations.duckdb(str(path)),
            stamp=lambda: str(path.stat().st_ino),
        )

    @contextmanager
    def writing(self) -> Iterator[DuckSession]:
        """Makes this thread the only writer of the file."""
        with self.database.writing() as writer:
            yield DuckSession(writer.connection, self.dataset, lambda: self._renew(writer))

    def explained(self) -> AbstractContextManager[None]:
        """Says what went wrong as what to do next."""
        return explained(self.database.path)

    def _renew(self, writer: Writer) -> None:
        self.database.copy_is_old = True
        if self.database.copy_is_due():
            writer.publish()
