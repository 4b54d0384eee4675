"""CSV as spreadsheets read it: no answer is run as a formula, and every heading is there once."""

import re
from collections.abc import Iterable, Mapping
from zoneinfo import ZoneInfo

import polars as pl

from collect_pipelines.destinations.interface import Column

__all__ = ["csv_frame", "headings"]

# `=1`, but also `''=1`: what is put before a text can be taken away again, whatever the text began with.
DANGEROUS = "^'*[=+\\-@\t\r\n\x00\uff1d\uff0b\uff0d\uff20]"
MOMENT = "%Y-%m-%dT%H:%M:%S%.f%:z"


def csv_frame(frame: pl.DataFrame, heading: Mapping[str, str], time_zone: str, *, formula_safe: bool) -> pl.DataFrame:
    """The frame as its cells stand in the file: texts that are safe, lists as JSON, moments in the zone with their offset."""
    shown = frame.select(_cell(name, kind, time_zone).alias(name) for name, kind in frame.schema.items())
    titles = {name: heading.get(name, name) for name in frame.columns}
    if formula_safe:
        texts = [name for name, kind in shown.schema.items() if kind == pl.String]
        shown = shown.with_columns(_safe(pl.col(name)).alias(name) for name in texts)
        titles = {name: f"'{title}" if re.match(DANGEROUS, title) else title for name, title in titles.items()}
    return shown.rename(titles)


def headings(known: Mapping[str, str], columns: Iterable[Column], *, keep: bool) -> dict[str, str]:
    """
    What stands above each column, by its name, every heading once: a label that is taken gets the question's key behind it.

    keep: a column that has one keeps it, so that files written at different times fit together.
    """
    chosen = dict(known) if keep else {}
    taken = {title.casefold() for title in chosen.values()}
    for column in columns:
        if column.name in chosen:
            continue
        title = column.label
        for other in (column.label, f"{column.label} ({column.key})", column.name):
            title = other
            # a label that looks like one of our own columns would stand above two
            if title.casefold() not in taken and not title.startswith("_") and title:
                break
        chosen[column.name] = title
        taken.add(title.casefold())
    left = {name: title for name, title in known.items() if name not in chosen}
    return chosen | {name: title if title.casefold() not in taken else name for name, title in left.items()}


def _safe(text: pl.Expr) -> pl.Expr:
    # Promise 8: an answer is never executed as a formula, in a file that people open neither
    return pl.when(text.str.contains(DANGEROUS)).then(pl.concat_str(pl.lit("'"), text)).otherwise(text)


def _cell(name: str, kind: pl.DataType, time_zone: str) -> pl.Expr:
    cell = pl.col(name)
    if isinstance(kind, pl.List):
        # polars writes JSON of structs only, so the list travels inside one and is cut out again
        wrapped = pl.struct(cell.alias("v")).struct.json_encode()
        return pl.when(cell.is_not_null()).then(wrapped.str.strip_prefix('{"v":').str.head(-1))
    if isinstance(kind, pl.Datetime):
        return cell.dt.convert_time_zone(str(ZoneInfo(time_zone))).dt.to_string(MOMENT)
    return cell
