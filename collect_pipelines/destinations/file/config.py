"""What a person may set: where the files go and how they look."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from collect_pipelines.destinations.interface import DestinationConfig

__all__ = ["FileConfig"]


class FileConfig(DestinationConfig):
    """Where the files of the form go, and how they look."""

    folder: Path | None = Field(
        default=None, description="Folder of the files. Unset: `files` in the data folder; a relative one is below the data folder."
    )
    name: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$",
        description="Name of the file (`single`) or of the folder of its parts (`parts`), without a suffix. Unset: the form's.",
    )
    format: Literal["parquet", "csv", "ndjson"] = Field(default="parquet", description="`parquet`, `csv` or `ndjson`.")
    layout: Literal["single", "parts"] = Field(
        default="single",
        description="`single`: one file with a row per response, written anew each time. `parts`: a folder of files that only grows, "
        "with a row per revision; for many responses.",
    )
    most_megabytes: int = Field(
        default=100, ge=1, le=2000, description="`single`: a file that would become larger blocks the integration, nothing is written."
    )
    header: Literal["labels", "names"] = Field(
        default="labels", description="CSV: what stands above a column: the question's label, or the column's name, which never changes."
    )
    formula_safe: bool = Field(
        default=True, description="CSV: put ' before a text that a spreadsheet would run as a formula. Switch it off for programs only."
    )
    byte_order_mark: bool = Field(
        default=True, description="CSV: begin with the mark by which Excel knows UTF-8. Switch it off for programs that trip over it."
    )
    group_readable: bool = Field(
        default=False, description="Also let the group of the folder read the files. Else only the account of the workers can."
    )

    @field_validator("folder")
    @classmethod
    def _inside(cls, folder: Path | None) -> Path | None:
        if folder is not None and (".." in folder.parts or "\x00" in str(folder)):
            raise ValueError("write the folder without `..`")
        return folder
