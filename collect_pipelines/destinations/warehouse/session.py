"""What a load asks of a warehouse that speaks SQL, beside what dlt does."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import polars as pl

from collect_pipelines.destinations.warehouse.loads import Load
from collect_pipelines.destinations.warehouse.pipelines import Pipelines

__all__ = ["Session", "SqlWarehouse"]


class Session(Protocol):
    """The only writer of a dataset, while `SqlWarehouse.writing` lasts. Every call can be repeated without a further effect."""

    def prepare(self) -> None:
        """Makes the dataset with its side tables. Raises Blocked when somebody else's tables are there."""

    def stored_types(self, tables: Sequence[str]) -> dict[str, dict[str, str]]:
        """Table -> column -> type, of those that exist."""

    def type_name(self, kind: pl.DataType) -> str:
        """The type of a column, written as `stored_types` does."""

    def extend(self, table: str, columns: Mapping[str, pl.DataType], *, exists: bool, key: Sequence[str]) -> None:
        """Makes the table, or adds the columns to it."""

    def not_older(self, load: Load) -> str | None:
        """Condition on a row of dlt's staging table: nothing newer is known about its response (promise 6)."""

    def remove(self, load: Load) -> None:
        """Removes the responses of `load.gone`, never a newer revision, and remembers them, so that no old batch brings them back."""

    def describe(self, load: Load) -> None:
        """Keeps what the questions table says of this table equal to the form."""

    def missing(self, load: Load) -> int:
        """How many entries of the load the warehouse does not show: neither they nor anything newer. 0 after a good load."""

    def forget(self, shard: str, tables: Sequence[str]) -> None:
        """Removes what dlt noted about the schema, and its staging tables: after a person changed something dlt must look anew."""

    def count(self, table: str) -> int:
        """Rows of the table; 0 when there is none."""

    def loaded(self, *, read_copy: bool) -> None:
        """Called once when all of a call's loads are done."""


class SqlWarehouse(Protocol):
    """One dataset somewhere."""

    place: str
    """As people call it, without any secret: a path, or host and database."""
    dataset: str
    pipelines: Pipelines

    def writing(self) -> AbstractContextManager[Session]:
        """
        Makes this thread the only writer, in this process and among all.

        Raises TryLater while another one is, and turns what fails inside the block into TryLater or Blocked.
        """

    def explained(self) -> AbstractContextManager[None]:
        """Turns what the warehouse, dlt and the system raise inside the block into TryLater or Blocked, quoting no answer."""
