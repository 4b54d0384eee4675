"""A Parquet warehouse: batches of several forms into one folder or bucket."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.configuration.resolve import resolve_configuration
from dlt.common.exceptions import DltException, MissingDependencyException
from dlt.common.json import json
from dlt.common.storages import fsspec_from_config
from dlt.common.storages.configuration import FilesystemConfiguration

from collect_pipelines.destinations.warehouse.folder import Folder
from collect_pipelines.destinations.warehouse.loading import Result
from collect_pipelines.destinations.warehouse.loads import Load
from collect_pipelines.destinations.warehouse.parquet import ParquetTable
from collect_pipelines.destinations.warehouse.pipelines import quiet
from collect_pipelines.destinations.warehouse.problems import explained
from collect_pipelines.errors import Blocked, CollectError, DeliveryError, LeaseLost, TryLater

__all__ = ["ParquetLoader", "parquet_loader"]

EXTRAS = {"s3": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "abfss": "az"}
"""Scheme of an address -> extra of dlt that knows it."""


@cache
def parquet_loader(address: str, secret: str | None, dataset: str) -> "ParquetLoader":
    """The loader for a dataset in the folder or bucket. Raises Blocked when packages or credentials are missing."""
    quiet()
    local = "://" not in address
    files, root = _opened(address, secret)
    return ParquetLoader(Folder(files, f"{root}/{dataset}", local=local), address, dataset)


class ParquetLoader:
    """Loads into one dataset. Made by `parquet_loader`; safe to use from several threads."""

    def __init__(self, folder: Folder, place: str, dataset: str) -> None:
        self._folder, self.place, self._dataset = folder, place, dataset

    def load(self, loads: Sequence[Load], *, read_copy: bool) -> list[Result]:
        """Brings the tables to the state after the batches, one after the other. One result per load, in order."""
        return [self._loaded(load) for load in loads]

    def count(self, table: str) -> int:
        """Rows of the table; proves that files can be written there."""
        with self._explained():
            self._folder.replace(PROOF, pl.DataFrame({"written": [True]}))
            self._folder.remove(PROOF)
            return sum(self._rows(name) for name in self._folder.names(table))

    def _loaded(self, load: Load) -> Result:
        try:
            with self._explained(), self._folder.only_process(load.table):
                table = ParquetTable(self._folder, load)
                table.bring_up()
                if missing := table.missing():
                    name = f"{self._dataset}/{load.table}"
                    return TryLater(f"{missing} of {load.frame.height} rows are not in {name} after the load.", unknown=True)
        except LeaseLost:
            return TryLater("Another worker took this integration over.")
        except DeliveryError as exc:
            return exc
        return int(load.rows.estimated_size())

    def _rows(self, name: str) -> int:
        with self._folder.open(name) as file:
            return int(pl.scan_parquet(file).select(pl.len()).collect().item())

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            with explained(Path(self.place)):
                yield
        except CollectError:
            raise
        except (pl.exceptions.PolarsError, pa.ArrowException) as exc:
            raise Blocked(
                f"A file of {self.place}/{self._dataset} is no Parquet file this version can read ({type(exc).__name__}).",
                fix="Move the folder of the table away, and fill it anew: docs/destinations/warehouse.md.",
            ) from exc
        except Exception as exc:
            if self._folder.local:
                raise
            # Promise 10: only the class; the messages of a bucket's client may hold keys
            raise TryLater(f"Writing to {self.place} failed ({type(exc).__name__}).", unknown=True) from exc


PROOF = ".written.parquet"


def _opened(address: str, secret: str | None) -> tuple[Any, str]:
    """dlt's file system for the address, and the root in it."""
    given: dict[str, Any] = {"bucket_url": address}
    if secret is not None:
        given["credentials"] = _json(secret)
    scheme = address.partition("://")[0] if "://" in address else "file"
    try:
        files, root = fsspec_from_config(resolve_configuration(FilesystemConfiguration(), explicit_value=given))
    except (MissingDependencyException, ImportError) as exc:
        raise Blocked(
            f"Addresses that begin with {scheme}:// need packages that are not installed.",
            fix=f'Install them where the workers run: pip install "dlt[{EXTRAS.get(scheme, "filesystem")}]"',
        ) from exc
    except (ConfigurationException, DltException, ValueError) as exc:
        raise Blocked(
            f"The secret behind `credentials` does not open {address} ({type(exc).__name__}).",
            fix="Write it as JSON with the fields that docs/destinations/warehouse.md names for this kind of bucket.",
        ) from exc
    return files, str(root)


def _json(secret: str) -> Any:
    try:
        found = json.loads(secret)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Blocked(
            "The secret behind `credentials` is no JSON object.",
            fix="Write it as JSON with the fields that docs/destinations/warehouse.md names for this kind of bucket.",
        )
    return found
