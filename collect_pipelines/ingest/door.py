"""The strict JSON door: what passes is exactly what was sent, and Postgres can store it."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from json import JSONDecodeError, JSONDecoder
from typing import Any

import orjson

from collect_pipelines.ingest.problems import Problem
from collect_pipelines.model import JsonValue

__all__ = ["ExactNumber", "canonical", "pointer_token", "read_json", "split_array"]

MAX_DEPTH = 32  # no form needs more than repeat rows; parsers and jsonb give up at about 1,000
MAX_FIELDS = 2_000  # object members in one response, nested ones included
MAX_ENTRIES = 5_000  # of all lists in one response; rows and choices that people give are some hundred
MAX_NUMBER_CHARACTERS = 64  # more digits than any measurement has
INTEGER_CHARACTERS = 20  # a sign and the 19 digits of 2^63
EXACT_CHARACTERS = 16  # 15 significant digits and a point: a 64-bit float holds every such number exactly enough to print it back
INTEGER_LOW, INTEGER_HIGH = -(2**63), 2**63 - 1

_BOM = b"\xef\xbb\xbf"
_STRUCTURE = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)|[\[{]|[\]}]', re.DOTALL)
_SPACE = re.compile(r"[ \t\n\r]*")
_DIGIT_ABOVE_ZERO = re.compile(r"[-0.]*[1-9]")  # before any exponent


class ExactNumber(float):
    """A decimal that a 64-bit float would round: a float to everyone who calculates, its own text when it is stored."""

    text: str

    def __new__(cls, text: str) -> "ExactNumber":
        number = super().__new__(cls, text)
        number.text = text
        return number


class _Flaw(Exception):
    """Raised by the parser's hooks, and put in the place of what is wrong when the place is looked for."""

    def __init__(self, code: str) -> None:
        self.code = code


def read_json(body: bytes) -> JsonValue:
    """
    The one JSON document in `body`, numbers exact (see ExactNumber).

    Raises Problem with a code and a place (byte offset for syntax, JSON pointer for content) when the text is not JSON, is not
    UTF-8, has a duplicate key, is too deep or too wide, or holds a number or character that can't be kept. One UTF-8 byte order
    mark is skipped: Windows tools write it and it means nothing.
    """
    if body.startswith(_BOM):
        body = body[3:]
    try:
        text = body.decode()
    except UnicodeDecodeError as exc:
        raise Problem.at("utf8", "#", f"The bytes at offset {exc.start} are not UTF-8.") from exc
    try:
        document: JsonValue = _STRICT.decode(text)
    except _Flaw as flaw:
        raise _located(text) from flaw
    except JSONDecodeError as exc:
        raise _syntax(text, exc.pos) from exc
    except RecursionError as exc:
        raise Problem.at("depth", "#", f"Deeper than {MAX_DEPTH} levels at byte {_deep_offset(text)}.") from exc
    if (
        text.count("{") + text.count("[") > MAX_DEPTH
        or text.count(":") > MAX_FIELDS
        or text.count(",") > MAX_ENTRIES
        or "\\u0000" in text
        or "\\ud" in text
        or "\\uD" in text
    ):
        _inspect(document)
    return document


def canonical(value: Any) -> bytes:
    """UTF-8 JSON with sorted keys and no spaces; equal content gives equal bytes, and 1 differs from 1.0."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS, default=_exact_text)


def split_array(body: bytes, most: int) -> list[bytes]:
    """The items of a JSON array as the bytes they were sent as. Raises Problem when it is no array or longer than `most`."""
    if body.startswith(_BOM):
        body = body[3:]
    try:
        text = body.decode()
    except UnicodeDecodeError as exc:
        raise Problem.at("utf8", "#", f"The bytes at offset {exc.start} are not UTF-8.") from exc
    try:
        return [item.encode() for item in _items(text, most)]
    except JSONDecodeError as exc:
        raise _syntax(text, exc.pos) from exc
    except RecursionError as exc:
        raise Problem.at("depth", "#", f"An item is deeper than {MAX_DEPTH} levels.") from exc


def pointer_token(key: str) -> str:
    """A key as a JSON pointer spells it, cut to a length fit for a message."""
    return key[:128].replace("~", "~0").replace("/", "~1").encode("utf-8", "replace").decode()


def _items(text: str, most: int) -> Iterator[str]:
    at = _after_space(text, 0)
    if at >= len(text):
        raise Problem("json-empty")
    if text[at] != "[":
        raise Problem.at("envelope", "#", "The batch must be an array of responses (or NDJSON with Content-Type application/x-ndjson).")
    at = _after_space(text, at + 1)
    empty = text[at : at + 1] == "]"
    count = 0
    while not empty:
        count += 1
        if count > most:
            raise Problem("batch-too-large", f"More than {most} items.")
        start = at
        _, at = _LENIENT.raw_decode(text, start)
        yield text[start:at]
        at = _after_space(text, at)
        if text[at : at + 1] == "]":
            break
        if text[at : at + 1] != ",":
            raise JSONDecodeError("Expecting ',' delimiter", text, at)
        at = _after_space(text, at + 1)
    if _after_space(text, at + 1) != len(text):
        raise JSONDecodeError("Extra data", text, at + 1)


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _exact_text(value: Any) -> orjson.Fragment:
    if isinstance(value, ExactNumber):
        return orjson.Fragment(value.text)
    raise TypeError(f"{type(value).__name__} is not JSON")


def _integer(text: str) -> int:
    if len(text) > INTEGER_CHARACTERS:
        raise _Flaw("integer-range")
    number = int(text)
    if not INTEGER_LOW <= number <= INTEGER_HIGH:
        raise _Flaw("integer-range")
    return number


def _decimal(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")) or len(text) > MAX_NUMBER_CHARACTERS:
        raise _Flaw("number-range")
    if number == 0.0:
        # By its digits: an exponent of twenty digits is more than Decimal can read.
        if _DIGIT_ABOVE_ZERO.match(text):
            raise _Flaw("number-range")
    elif len(text) > EXACT_CHARACTERS and Decimal(text) != Decimal(repr(number)):
        return ExactNumber(text)
    return number


def _constant(_: str) -> float:
    raise _Flaw("number-invalid")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Flaw("duplicate-key")
    return members


def _marked(hook: Any) -> Any:
    """The hook with its flaw as a value, so that the place can be found by walking the document."""

    def marking(text: str) -> Any:
        try:
            return hook(text)
        except _Flaw as flaw:
            return flaw

    return marking


def _marked_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, value in pairs:
        members[key] = _Flaw("duplicate-key") if key in members else value
    return members


# The standard library's C scanner: 13 us for 1.7 KB with these hooks, and the only parser at hand that shows duplicate keys.
_STRICT = JSONDecoder(parse_int=_integer, parse_float=_decimal, parse_constant=_constant, object_pairs_hook=_members)
_MARKING = JSONDecoder(
    parse_int=_marked(_integer), parse_float=_marked(_decimal), parse_constant=_marked(_constant), object_pairs_hook=_marked_members
)
_LENIENT = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)

_FLAW_TEXTS = {
    "integer-range": "This integer does not fit 64 bits.",
    "number-range": "This number is too large, too small or too long to be kept.",
    "number-invalid": "NaN and Infinity are not JSON.",
    "duplicate-key": "This key appears twice in its object.",
    "nul-char": "This text holds the NUL character.",
    "lone-surrogate": "This text holds half a surrogate pair.",
}


def _located(text: str) -> Problem:
    try:
        _inspect(_MARKING.decode(text))
    except Problem as problem:
        return problem
    except JSONDecodeError as exc:
        return _syntax(text, exc.pos)
    except RecursionError:
        return Problem.at("depth", "#", f"Deeper than {MAX_DEPTH} levels at byte {_deep_offset(text)}.")
    raise AssertionError("a flaw the strict parser saw is in the document")


def _inspect(document: Any) -> None:
    """Walks the document in its own order; raises the Problem of the first thing that can't be kept."""
    fields = entries = 0
    stack: list[tuple[Any, str, int]] = [(document, "#", 0)]
    while stack:
        value, pointer, depth = stack.pop()
        if isinstance(value, _Flaw):
            raise _flaw(value.code, pointer)
        if isinstance(value, str):
            _inspect_text(value, pointer)
        elif isinstance(value, dict | list):
            if depth >= MAX_DEPTH:
                raise Problem.at("depth", pointer, f"Deeper than {MAX_DEPTH} levels.")
            if isinstance(value, dict):
                fields += len(value)
                if fields > MAX_FIELDS:
                    raise Problem.at("too-many-fields", pointer, f"More than {MAX_FIELDS} fields.")
                for key in value:
                    _inspect_text(key, f"{pointer}/{pointer_token(key)}")
                children = [(child, f"{pointer}/{pointer_token(key)}", depth + 1) for key, child in value.items()]
            else:
                entries += len(value)
                if entries > MAX_ENTRIES:
                    raise Problem.at("too-many-fields", pointer, f"More than {MAX_ENTRIES:,} entries in lists.")
                children = [(child, f"{pointer}/{index}", depth + 1) for index, child in enumerate(value)]
            stack.extend(reversed(children))


def _inspect_text(text: str, pointer: str) -> None:
    if "\x00" in text:
        raise _flaw("nul-char", pointer.replace("\x00", "\\u0000"))
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _flaw("lone-surrogate", pointer) from None


def _flaw(code: str, pointer: str) -> Problem:
    return Problem.at(code, pointer, _FLAW_TEXTS[code])


def _syntax(text: str, position: int) -> Problem:
    if not text.strip(" \t\r\n"):
        return Problem("json-empty")
    return Problem.at("json-syntax", "#", f"Not JSON at byte {len(text[:position].encode())}.")


def _deep_offset(text: str) -> int:
    """Byte offset of the first bracket past the greatest depth."""
    depth = 0
    for token in _STRUCTURE.finditer(text):
        if token.group() in "[{":
            depth += 1
        elif token.group() in "]}":
            depth -= 1
        if depth > MAX_DEPTH:
            return len(text[: token.start()].encode())
    return len(text.encode())
