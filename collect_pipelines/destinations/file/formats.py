"""The three formats: a frame as bytes, and parts of files put together or taken out without touching the rest."""

import io
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from collect_pipelines.destinations.file.config import FileConfig

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Format", "format_of"]

# Each row begins with the cells of `_position` and `_response_id`; reading no further, a huge answer costs nothing.
FIRST_CELLS = re.compile(rb'([0-9]+),("(?:[^"]|"")*"|[^,"\n]*)')


@dataclass(frozen=True)
class Format(ABC):
    """One format, as an integration has it."""

    config: FileConfig
    suffix: ClassVar[str]

    @abstractmethod
    def written(self, frame: "pl.DataFrame", heading: Mapping[str, str], time_zone: str) -> bytes:
        """The frame as a file."""

    @abstractmethod
    def without(self, content: bytes, positions: Collection[int], responses: Collection[str]) -> bytes | None:
        """The file without the rows of these positions or responses; None when nothing is left, the content itself when all is."""

    @abstractmethod
    def joined(self, contents: Sequence[bytes]) -> bytes | None:
        """One file of several, in order; None when they don't fit into one."""


class Parquet(Format):
    """Typed columns under the names that never change."""

    suffix = "parquet"

    def written(self, frame: "pl.DataFrame", heading: Mapping[str, str], time_zone: str) -> bytes:
        """The frame as a file."""
        target = io.BytesIO()
        frame.write_parquet(target)
        return target.getvalue()

    def without(self, content: bytes, positions: Collection[int], responses: Collection[str]) -> bytes | None:
        """The file without these rows."""
        import polars as pl

        keys = pl.read_parquet(io.BytesIO(content), columns=["_position", "_response_id"])
        gone = keys.select(pl.col("_position").is_in(list(positions)) | pl.col("_response_id").is_in(list(responses))).to_series()
        if not gone.any():
            return content
        left = pl.read_parquet(io.BytesIO(content)).filter(~gone)
        return self.written(left, {}, "UTC") if left.height else None

    def joined(self, contents: Sequence[bytes]) -> bytes | None:
        """One file with the columns of all."""
        import polars as pl

        frames = [pl.read_parquet(io.BytesIO(content)) for content in contents]
        kinds: dict[str, pl.DataType] = {}
        if any(kinds.setdefault(name, kind) != kind for frame in frames for name, kind in frame.schema.items()):
            return None
        return self.written(pl.concat(frames, how="diagonal"), {}, "UTC")


class Csv(Format):
    """Text for spreadsheets: UTF-8, commas, quotes where needed, one header line."""

    suffix = "csv"

    def written(self, frame: "pl.DataFrame", heading: Mapping[str, str], time_zone: str) -> bytes:
        """The frame as a file."""
        from collect_pipelines.destinations.file.csv_cells import csv_frame

        frame = frame.select("_position", "_response_id", *(name for name in frame.columns if name not in ("_position", "_response_id")))
        shown = csv_frame(frame, heading if self.config.header == "labels" else {}, time_zone, formula_safe=self.config.formula_safe)
        target = io.BytesIO()
        shown.write_csv(target, include_bom=self.config.byte_order_mark)
        return target.getvalue()

    def without(self, content: bytes, positions: Collection[int], responses: Collection[str]) -> bytes | None:
        """The file without these rows, the others byte for byte as they were."""
        head, *records = _records(content)
        stored = {form for response in responses for form in (response, f"'{response}")}
        kept = []
        for record in records:
            found = FIRST_CELLS.match(record)
            position, response = (int(found[1]), _uncsv(found[2])) if found else (None, None)
            if position not in positions and response not in stored:
                kept.append(record)
        if len(kept) == len(records):
            return content
        return b"".join([head, *kept]) if kept else None

    def joined(self, contents: Sequence[bytes]) -> bytes | None:
        """One file under the header they share."""
        heads = {next(_records(content)) for content in contents}
        if len(heads) != 1:
            return None
        (head,) = heads
        return head + b"".join(content.removeprefix(head) for content in contents)


class Ndjson(Format):
    """One JSON object a line, under the names that never change."""

    suffix = "ndjson"

    def written(self, frame: "pl.DataFrame", heading: Mapping[str, str], time_zone: str) -> bytes:
        """The frame as a file."""
        target = io.BytesIO()
        frame.write_ndjson(target)
        return target.getvalue()

    def without(self, content: bytes, positions: Collection[int], responses: Collection[str]) -> bytes | None:
        """The file without these rows, the others byte for byte as they were."""
        lines = list(io.BytesIO(content))
        kept = [line for line in lines if not _is_of(json.loads(line), positions, responses)]
        if len(kept) == len(lines):
            return content
        return b"".join(kept) or None

    def joined(self, contents: Sequence[bytes]) -> bytes | None:
        """The lines of all."""
        return b"".join(contents)


def format_of(config: FileConfig, suffix: str | None = None) -> Format:
    """The format that the configuration names, or the one of files that end so."""
    kinds: dict[str, type[Format]] = {"parquet": Parquet, "csv": Csv, "ndjson": Ndjson}
    return kinds[suffix or config.format](config)


def _records(content: bytes) -> Iterator[bytes]:
    """Lines of CSV; a line end within quotes does not end one."""
    pieces: list[bytes] = []
    quotes = 0
    for line in io.BytesIO(content):
        pieces.append(line)
        quotes += line.count(b'"')
        if quotes % 2 == 0:
            yield b"".join(pieces)
            pieces, quotes = [], 0
    if pieces:
        yield b"".join(pieces)


def _uncsv(cell: bytes) -> str:
    text = cell.decode()
    return text[1:-1].replace('""', '"') if text.startswith('"') else text


def _is_of(row: Mapping[str, object], positions: Collection[int], responses: Collection[str]) -> bool:
    return row["_position"] in positions or row["_response_id"] in responses
