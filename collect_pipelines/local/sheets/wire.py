"""Bodies from JSON to checked messages: unknown fields and wrong types are refused in Google's words, all of them at once."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import orjson

from collect_pipelines.local.sheets.errors import bad_request
from collect_pipelines.local.sheets.messages import MESSAGES, Field

__all__ = ["checked", "load_json", "snake"]

_CAPITAL = re.compile(r"[A-Z]")
_INTEGER = re.compile(r"-?[0-9]{1,10}")
ENUM_PACKAGE = "type.googleapis.com/google.apps.sheets.v4"
INT32_END = 2**31
VIOLATIONS_SHOWN = 50  # an endless list helps nobody; Google cuts too

Violations = list[tuple[str | None, str]]


def load_json(body: bytes) -> Any:
    """The JSON value of a body; an empty body is `{}`. Raises a 400 for text that is not JSON, NaN included."""
    if not body.strip():
        return {}
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        position = exc.pos
        near = body.decode("utf-8", "replace")[max(position - 20, 0) : position + 20]
        message = f"Invalid JSON payload received. Unexpected token.\n{near}\n{' ' * min(position, 20)}^"
        raise bad_request(message, [(None, message)]) from exc


def checked(message: str, document: Any, path: str = "") -> dict[str, Any]:
    """`document` as a message: nulls dropped, numbers and masks normalised. Raises one 400 naming every field at fault."""
    violations: Violations = []
    if not isinstance(document, dict):
        text = 'Invalid JSON payload received. Unknown name "": Root element must be a message.'
        raise bad_request(text, [(None, text)])
    result = _message(message, document, path, violations)
    if violations:
        shown = violations[:VIOLATIONS_SHOWN]
        raise bad_request("\n".join(text for _, text in shown), shown)
    return result


@lru_cache(maxsize=4096)  # names of fields: few, and asked for with every cell of a batch
def snake(name: str) -> str:
    """`userEnteredValue` -> `user_entered_value`: errors name fields as the proto does."""
    return _CAPITAL.sub(lambda match: "_" + match.group().lower(), name)


def _message(message: str, document: dict[str, Any], path: str, violations: Violations) -> dict[str, Any]:
    fields = MESSAGES[message]
    result: dict[str, Any] = {}
    for name, value in document.items():
        if value is None:
            continue
        field = fields.get(name)
        if field is None:
            place = f" at '{path}'" if path else ""
            violations.append((path or None, f'Invalid JSON payload received. Unknown name "{name}"{place}: Cannot find field.'))
            continue
        result[name] = _value(field, value, _join(path, name), name, violations)
    if message == "Request" and len(result) > 1:
        second = list(result)[1]
        violations.append((path, f"Invalid value at '{path}' (oneof), oneof field 'kind' is already set. Cannot set '{second}'"))
    return result


def _join(path: str, name: str) -> str:
    return f"{path}.{snake(name)}" if path else snake(name)


def _value(field: Field, value: Any, path: str, name: str, violations: Violations) -> Any:
    if field.kind == "v":
        return _rows(value, path, violations)
    if field.mapped:
        if not isinstance(value, dict):
            return _wrong(path, "Map", value, violations)
        return {key: _single(field, item, f"{path}[{key}]", name, violations) for key, item in value.items()}
    if not field.repeated:
        return _single(field, value, path, name, violations)
    items = value if isinstance(value, list) else [value]
    if field.kind == "CellData":
        return _cells(field, items, path, name, violations)
    return [_single(field, item, f"{path}[{index}]", name, violations) for index, item in enumerate(items)]


_PLAIN_VALUES = {"stringValue": (str,), "boolValue": (bool,), "numberValue": (int, float)}


def _cells(field: Field, items: list[Any], path: str, name: str, violations: Violations) -> list[Any]:
    """The cells of a row; the usual `{"userEnteredValue": {"stringValue": text}}` passes without a walk: rows come by the thousand."""
    cells: list[Any] = []
    for index, item in enumerate(items):
        if type(item) is dict:
            if not item:
                cells.append(item)
                continue
            if len(item) == 1:
                value = item.get("userEnteredValue")
                if type(value) is dict and len(value) == 1:
                    kind, content = next(iter(value.items()))
                    if type(content) in _PLAIN_VALUES.get(kind, ()):
                        cells.append(item)
                        continue
        cells.append(_single(field, item, f"{path}[{index}]", name, violations))
    return cells


def _single(field: Field, value: Any, path: str, name: str, violations: Violations) -> Any:
    if field.kind == "enum":
        if value in field.choices:
            return value
        return _wrong(path, f"{ENUM_PACKAGE}.{name[0].upper()}{name[1:]}", value, violations)
    scalar = _SCALARS.get(field.kind)
    if scalar is not None:
        return scalar(value, path, violations)
    if isinstance(value, list):
        start = f"Invalid JSON payload received. Unknown name \"{name}\" at '{_parent(path)}'"
        text = f"{start}: Proto field is not repeating, cannot start list."
        violations.append((_parent(path), text))
        return {}
    if value is None:
        return {}
    if not isinstance(value, dict):
        return _wrong(path, f"{ENUM_PACKAGE}.{field.kind}", value, violations)
    return _message(field.kind, value, path, violations)


def _parent(path: str) -> str:
    return path.rpartition(".")[0]


def _wrong(path: str, kind: str, value: Any, violations: Violations) -> Any:
    shown = orjson.dumps(value).decode() if not isinstance(value, str) else f'"{value}"'
    violations.append((path, f"Invalid value at '{path}' ({kind}), {shown}"))
    return None


def _string(value: Any, path: str, violations: Violations) -> Any:
    return value if isinstance(value, str) else _wrong(path, "TYPE_STRING", value, violations)


def _integer(value: Any, path: str, violations: Violations) -> Any:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not -INT32_END <= value < INT32_END:
        return _wrong(path, "TYPE_INT32", value, violations)
    return value


def _double(value: Any, path: str, violations: Violations) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _wrong(path, "TYPE_DOUBLE", value, violations)
    return value


def _boolean(value: Any, path: str, violations: Violations) -> Any:
    if value in ("true", "false"):
        return value == "true"
    return value if isinstance(value, bool) else _wrong(path, "TYPE_BOOL", value, violations)


def _mask(value: Any, path: str, violations: Violations) -> Any:
    return value if isinstance(value, str) else _wrong(path, "TYPE_STRING", value, violations)


def _anything(value: Any, path: str, violations: Violations) -> Any:
    return value


_SCALARS: dict[str, Callable[[Any, str, Violations], Any]] = {
    "s": _string,
    "i": _integer,
    "d": _double,
    "b": _boolean,
    "m": _mask,
    "j": _anything,
}


def _rows(value: Any, path: str, violations: Violations) -> Any:
    """Lists of lists of string, number, boolean or null: google.protobuf.ListValue each."""
    kind = "type.googleapis.com/google.protobuf.ListValue"
    if not isinstance(value, list):
        return _wrong(path, kind, value, violations)
    for index, row in enumerate(value):
        if not isinstance(row, list):
            _wrong(f"{path}[{index}]", kind, row, violations)
    return value
