"""Where the rows go: one choice, `to`, and the fields that belong to it."""

import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from collect_pipelines.destinations.interface import DestinationConfig

__all__ = ["Target", "WarehouseConfig"]

Target = Literal["duckdb", "postgres", "filesystem", "bigquery", "snowflake"]

ADDRESSES = ("s3", "gs", "gcs", "az", "abfs", "abfss")
CONTAINER_AT_ACCOUNT = ("az", "abfs", "abfss")  # abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/forms

_REFERENCE = re.compile(r"(env|file|stored):\S.*")
_BELONGS: dict[str, tuple[Target, ...]] = {
    "path": ("duckdb",),
    "read_copy": ("duckdb",),
    "folder": ("filesystem",),
    "credentials": ("postgres", "filesystem", "bigquery", "snowflake"),
    "location": ("bigquery",),
}
"""Fields that only some targets know. One that does nothing would mislead whoever set it."""


def _reference(value: str | None) -> str | None:
    if value is not None and not _REFERENCE.fullmatch(value):
        # Promise 10: the value is not shown, it may be the secret itself
        raise ValueError("is no reference to a secret; write it as env:NAME, file:PATH or stored:NAME")
    return value


class WarehouseConfig(DestinationConfig):
    """Where the rows of the form go."""

    to: Target = Field(default="duckdb", description="What the warehouse is: a DuckDB file, a database, or Parquet files in a folder.")
    path: Path | None = Field(default=None, description="duckdb: the file. Unset: the default warehouse of this installation.")
    read_copy: bool = Field(
        default=True, description="duckdb: keep a copy `NAME.read.duckdb` beside the file that people can query while rows are loaded."
    )
    folder: str | None = Field(
        default=None,
        description="filesystem: a folder (a relative one is below the data folder), or an address such as s3://bucket/forms. "
        "Unset: `parquet` in the data folder.",
    )
    credentials: Annotated[str | None, AfterValidator(_reference)] = Field(
        default=None,
        description="Reference to the secret (env:NAME, file:PATH or stored:NAME). postgres, snowflake: a connection URL. "
        "bigquery: the JSON key of a service account. filesystem: JSON of what the bucket needs; none for a local folder.",
    )
    location: str | None = Field(default=None, pattern=r"^[A-Za-z0-9-]+$", description="bigquery: where the dataset lies. Unset: US.")
    dataset: str = Field(
        default="forms",
        pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$",
        max_length=40,
        description="Schema (database) or folder that holds the tables. Give a second integration of the same form another dataset.",
    )

    needs_credentials: ClassVar[tuple[Target, ...]] = ("postgres", "bigquery", "snowflake")

    @field_validator("path", "folder")
    @classmethod
    def _printable(cls, place: Any) -> Any:
        if place is not None and (not str(place).strip() or not str(place).isprintable()):
            raise ValueError("is empty or holds characters that no name of a file has")
        return place

    @field_validator("folder")
    @classmethod
    def _known_address(cls, folder: str | None) -> str | None:
        scheme, separator, rest = (folder or "").partition("://")
        if separator and scheme not in ADDRESSES:
            raise ValueError(f"is an address this product does not know; it may begin with {', '.join(f'{one}://' for one in ADDRESSES)}")
        if separator and "@" in rest and scheme not in CONTAINER_AT_ACCOUNT:
            # Promise 10: the address is shown to people
            raise ValueError("holds a user or a password; move it to `credentials`")
        return folder

    @model_validator(mode="after")
    def _fields_fit_the_target(self) -> Any:
        for name, targets in _BELONGS.items():
            if getattr(self, name) != type(self).model_fields[name].default and self.to not in targets:
                raise ValueError(f"`{name}` means nothing to `to: {self.to}`; it belongs to {' and '.join(targets)}")
        if self.to in self.needs_credentials and self.credentials is None:
            raise ValueError(f"`to: {self.to}` needs `credentials`, e.g. env:WAREHOUSE_CREDENTIALS")
        return self
