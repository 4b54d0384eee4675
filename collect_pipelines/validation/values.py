"""From the texts of the log to typed values: guarded casts that turn a bad value into null and never raise."""

import json

import polars as pl

__all__ = [
    "BLANK",
    "EMPTY_LIST",
    "META_TYPES",
    "NESTED",
    "OTHER_MARK",
    "OTHER_PREFIX",
    "VALUE_TYPES",
    "answered",
    "choice",
    "choices",
    "meta",
    "rule_value",
    "typed",
]

UTC_MICROSECONDS = pl.Datetime("us", "UTC")

META_TYPES: dict[str, pl.DataType] = {
    "position": pl.Int64(),
    "revision": pl.Int64(),
    "version": pl.Int64(),
    "submitted_at": UTC_MICROSECONDS,
    "received_at": UTC_MICROSECONDS,
}
"""Every other meta column is text."""

VALUE_TYPES: dict[str, pl.DataType] = {
    "integer": pl.Int64(),
    "rating": pl.Int64(),
    "decimal": pl.Float64(),
    "boolean": pl.Boolean(),
    "select_multiple": pl.List(pl.String()),
    "date": pl.Date(),
    "datetime": UTC_MICROSECONDS,
}
"""Type of a question's values by question type. Every other type is text: geopoint, file and repeat as JSON."""

OTHER_PREFIX = "other: "
"""Before an answer in a person's own words. No code holds a space, so none can look like it."""

OTHER_MARK = "\x00"
"""The same inside this room: Postgres stores no NUL, so no answer can hold it."""

# Explicit ASCII classes and \z: `\d` takes the digits of every script and `$` a trailing newline in some engines.
INTEGER = r"\A-?(?:0|[1-9][0-9]*)\z"
NUMBER = r"\A-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\z"
DATE = r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\z"
DATETIME = (
    r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])\z"
)
MICROSECONDS = r"(\.[0-9]{6})[0-9]+"
# What Python calls white space; Rust leaves out U+001C to U+001F.
_SPACE = r"[\t-\r\x1c-\x20\x85\u{a0}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}]"
BLANK = rf"\A{_SPACE}*\z"
EMPTY_LIST = r"\A\[\s*\]\z"
EMPTY_OBJECT = r"\A\{\s*\}\z"
TIME = r"\A(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?\z"
NESTED = frozenset({"select_multiple", "repeat", "geopoint", "file"})  # stored as a list or an object

# What json_decode reads without error; one bad text would fail the whole column. Lone surrogates are left out.
_ESCAPE = r'\\(?:["\\/bfnrt]|u(?:[0-9abcefABCEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}))'
_CHARACTERS = rf'(?:[^"\\\x00-\x1f]|{_ESCAPE})*'
_OTHER = rf'\{{\s*"other"\s*:\s*"({_CHARACTERS})"\s*\}}'
_ITEM = rf'(?:"{_CHARACTERS}"|{_OTHER.replace("(" + _CHARACTERS + ")", _CHARACTERS)})'
CHOICES = rf"\A\[\s*(?:{_ITEM}(?:\s*,\s*{_ITEM})*)?\s*\]\z"
OTHER = rf"\A{_OTHER}\z"
# Every item becomes a text of one list; a quote inside a text is escaped, so `{"other"` never occurs in one.
OTHER_AS_TEXT = r'"\u0000${1}"'


def typed(text: pl.Expr, question_type: str) -> pl.Expr:
    """The values of a text column; null where the text is null or is no value of the type."""
    if question_type in ("integer", "rating"):
        return _only(text, INTEGER).cast(pl.Int64, strict=False)
    if question_type == "decimal":
        number = _only(text, NUMBER).cast(pl.Float64, strict=False)
        return pl.when(number.is_finite()).then(number)
    if question_type == "boolean":
        return pl.when(text == "true").then(True).when(text == "false").then(False)
    if question_type == "select_one":
        return choice(text).str.replace(OTHER_MARK, OTHER_PREFIX, literal=True)
    if question_type == "select_multiple":
        return choices(text).list.eval(pl.element().str.replace(OTHER_MARK, OTHER_PREFIX, literal=True))
    if question_type == "date":
        return _in_calendar(_only(text, DATE).str.to_date("%Y-%m-%d", strict=False))
    if question_type == "datetime":
        return moment(text)
    return text


def answered(text: pl.Expr, question_type: str) -> pl.Expr:
    """Whether there is an answer at all, of whatever type: blank text, an empty list and an empty object are none."""
    given = text.is_not_null() & ~text.str.contains(BLANK)
    return given & ~text.str.contains(EMPTY_LIST) & ~text.str.contains(EMPTY_OBJECT) if question_type in NESTED else given


def rule_value(text: pl.Expr, question_type: str) -> pl.Expr:
    """
    The values of a text column as rules see them, what `rules.values.value_of` is for one answer: null is a missing answer.

    Times are texts `HH:MM:SS`; a repeat is a list of as many entries as it has rows; geopoints and files stay JSON.
    """
    if question_type == "select_one":
        code = choice(text)
        said = pl.when(~code.str.strip_prefix(OTHER_MARK).str.contains(BLANK)).then(code)
        return said.str.replace(OTHER_MARK, OTHER_PREFIX, literal=True)
    if question_type == "select_multiple":
        given = choices(text)
        own = pl.element().str.starts_with(OTHER_MARK)
        silent = given.list.eval(own & pl.element().str.strip_prefix(OTHER_MARK).str.contains(BLANK)).list.any()
        codes = given.list.eval(pl.element().str.replace(OTHER_MARK, OTHER_PREFIX, literal=True))
        return pl.when((given.list.len() > 0) & ~silent).then(codes)
    if question_type == "time":
        return pl.when(text.str.contains(TIME)).then((text + ":00").str.head(len("09:30:00")))
    if question_type == "repeat":
        return text.map_batches(_rows, return_dtype=pl.List(pl.Boolean))
    if question_type in VALUE_TYPES:
        return typed(text, question_type)
    return pl.when(answered(text, question_type)).then(text)


def _rows(texts: pl.Series) -> pl.Series:
    sizes = [_size(text) for text in texts.to_list()]
    return pl.Series(texts.name, [[True] * size if size else None for size in sizes], dtype=pl.List(pl.Boolean))


def _size(text: str | None) -> int:
    try:
        rows = None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return 0
    return len(rows) if isinstance(rows, list) else 0


def choice(text: pl.Expr) -> pl.Expr:
    """The code of a select_one answer; an answer in own words is its text after OTHER_MARK."""
    wrapped = pl.format("[{}]", _only(text, OTHER)).str.replace(_OTHER, OTHER_AS_TEXT)
    return pl.coalesce(wrapped.str.json_decode(pl.List(pl.String)).list.first(), text)


def choices(text: pl.Expr) -> pl.Expr:
    """The codes of a select_multiple answer, those in own words after OTHER_MARK; null where the text is no such list."""
    return _only(text, CHOICES).str.replace_all(_OTHER, OTHER_AS_TEXT).str.json_decode(pl.List(pl.String))


def moment(text: pl.Expr) -> pl.Expr:
    """Points in time from ISO 8601 with seconds and an offset or Z, as UTC microseconds; further digits are cut."""
    short = _only(text, DATETIME).str.replace(MICROSECONDS, "${1}")
    return _in_calendar(short.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False))


def meta(name: str) -> pl.Expr:
    """A meta column of the log's CSV (`position`) as the column of a frame (`_position`)."""
    wanted = META_TYPES.get(name, pl.String())
    column = pl.col(name)
    if wanted == UTC_MICROSECONDS:
        column = moment(column)
    elif wanted != pl.String():
        column = column.cast(wanted)
    return column.alias(f"_{name}")


def _only(text: pl.Expr, pattern: str) -> pl.Expr:
    return pl.when(text.str.contains(pattern)).then(text)


def _in_calendar(day: pl.Expr) -> pl.Expr:
    """Years 1 to 9999, as in Python, DuckDB and spreadsheets."""
    return pl.when(day.dt.year().is_between(1, 9999)).then(day)
