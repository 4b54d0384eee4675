"""What stands in a cell: from CellData and plain values to the stored form, and back to what the API answers."""

from collections.abc import Callable
from typing import Any

from collect_pipelines.local.sheets.errors import InvalidRequest
from collect_pipelines.local.sheets.formats import formatted
from collect_pipelines.local.sheets.grid import Cell, cell_value
from collect_pipelines.local.sheets.limits import CELL_CHARACTERS
from collect_pipelines.local.sheets.links import check_runs, formula_cell, hyperlink

__all__ = ["CellWriter", "cell_data", "check_text", "number", "plain_number", "rendered", "with_value"]

TOO_LONG = f"Your input contains more than the maximum of {CELL_CHARACTERS} characters in a single cell."
SURELY_SHORT = CELL_CHARACTERS // 2  # characters that are within the limit even when each takes two UTF-16 units
EXACT_INTEGERS = 2**53  # numbers are doubles: past it integers lose digits
NOT_COMPUTED = {"type": "NAME", "message": "The local Sheets server does not compute formulas."}
FORMULA_RESULT = "#NAME?"
# `hyperlink` is read-only: reference/rest/v4/spreadsheets/cells#CellData.
KEPT_FIELDS = ("dataValidation", "textFormatRuns", "pivotTable", "chipRuns")


def check_text(text: str) -> str:
    """The text; raises InvalidRequest past 50,000 UTF-16 units (support.google.com answer 37603)."""
    if len(text) > SURELY_SHORT and len(text.encode("utf-16-le", "surrogatepass")) // 2 > CELL_CHARACTERS:
        raise InvalidRequest(TOO_LONG)
    return text


def number(value: float) -> int | float:
    """A double, as an int where it is a whole number that fits."""
    as_double = float(value)
    if as_double.is_integer() and abs(as_double) <= EXACT_INTEGERS:
        return int(as_double)
    return as_double


def plain_number(value: float) -> str:
    """A number as a cell without a format shows it."""
    whole = float(value)
    if whole.is_integer() and abs(whole) < 1e15:
        return str(int(whole))
    text = f"{whole:.15g}"
    return text.upper().replace("E+0", "E+").replace("E-0", "E-") if "e" in text else text


def with_value(cell: Cell, value: Cell) -> Cell:
    """`cell` with another value (plain, or `{"x": formula}`), its format and note kept."""
    if type(cell) is not dict:
        return value
    rest = _without_runs({name: part for name, part in cell.items() if name not in ("v", "x")})
    if type(value) is dict:
        rest |= value
    elif value is not None:
        rest["v"] = value
    return _slim(rest)


class CellWriter:
    """Writes the named fields of CellData into stored cells; made once per request."""

    def __init__(self, paths: list[str]) -> None:
        """`paths` is the mask of a request: names of CellData, dotted below userEnteredFormat, or `*`."""
        self._all = "*" in paths
        self._value = self._all or any(path.split(".")[0] == "userEnteredValue" for path in paths)
        self._formats = [path.partition(".")[2] for path in paths if path.split(".")[0] == "userEnteredFormat"]
        self._others = [name for name in ("note", *KEPT_FIELDS) if name in {path.split(".")[0] for path in paths}]
        self.value_only = self._value and not self._all and not self._formats and not self._others
        self.formats_only = bool(self._formats) and not self._value and not self._others

    def row(self, old: list[Cell], start: int, data: list[dict[str, Any]]) -> list[Cell]:
        """The cells of a row after writing `data` from column `start`."""
        if not old and (self._all or self.value_only):
            fresh = self._fresh_row(data)
            return [None] * start + fresh if start else fresh
        cells = old + [None] * (start + len(data) - len(old))
        for offset, cell in enumerate(data, start):
            cells[offset] = self.cell(cells[offset], cell)
        return cells

    def _fresh_row(self, data: list[dict[str, Any]]) -> list[Cell]:
        """The stored form of a row of empty cells; short texts, which rows mostly are, pass without a call each."""
        fresh: list[Cell] = []
        for cell in data:
            text = cell["userEnteredValue"].get("stringValue") if len(cell) == 1 and "userEnteredValue" in cell else None
            if text is not None and len(text) <= SURELY_SHORT:
                fresh.append(text or None)
            else:
                fresh.append(self.fresh(cell))
        return fresh

    def fresh(self, data: dict[str, Any]) -> Cell:
        """The stored form of CellData in an empty cell."""
        if len(data) == 1 and "userEnteredValue" in data and self._value:
            return _entered(data["userEnteredValue"])
        return self.cell(None, data) if data else None

    def cell(self, old: Cell, data: dict[str, Any]) -> Cell:
        """The stored cell after writing the masked fields of `data`; a masked field that `data` lacks is cleared."""
        result: dict[str, Any] = {} if self._all else dict(old) if type(old) is dict else {} if old is None else {"v": old}
        if self._value:
            result = _without_runs(result)
            _set_value(result, data.get("userEnteredValue"))
        if self._all and data.get("userEnteredFormat"):
            result["f"] = data["userEnteredFormat"]
        for path in self._formats:
            _set_format(result, path, data.get("userEnteredFormat", {}))
        _set_others(result, data, ("note", *KEPT_FIELDS) if self._all else self._others)
        check_runs(result)
        return _slim(result)


def _without_runs(cell: dict[str, Any]) -> dict[str, Any]:
    """A new value erases the runs of the old text (reference/rest/v4/spreadsheets/cells#CellData)."""
    if "textFormatRuns" not in cell.get("o", {}):
        return cell
    others = {name: part for name, part in cell["o"].items() if name != "textFormatRuns"}
    rest = {name: part for name, part in cell.items() if name != "o"}
    return rest | {"o": others} if others else rest


def _set_value(result: dict[str, Any], value: dict[str, Any] | None) -> None:
    result.pop("v", None)
    result.pop("x", None)
    entered = _entered(value) if value else None
    if type(entered) is dict:
        result.update(entered)
    elif entered is not None:
        result["v"] = entered


def _set_format(result: dict[str, Any], path: str, wanted: dict[str, Any]) -> None:
    if not path or path == "*":
        result["f"] = wanted
        return
    merged = _deep_copy(result.get("f", {}))
    target, source = merged, wanted
    names = path.split(".")
    for name in names[:-1]:
        target = target.setdefault(name, {})
        source = source.get(name, {})
    if names[-1] in source:
        target[names[-1]] = source[names[-1]]
    else:
        target.pop(names[-1], None)
    result["f"] = merged


def _set_others(result: dict[str, Any], data: dict[str, Any], names: tuple[str, ...] | list[str]) -> None:
    others = dict(result.get("o", {}))
    for name in names:
        if name == "note":
            result.pop("n", None)
            if data.get("note"):
                result["n"] = data["note"]
        elif name in data:
            others[name] = data[name]
        else:
            others.pop(name, None)
    if others:
        result["o"] = others
    else:
        result.pop("o", None)


def _deep_copy(value: Any) -> Any:
    return {name: _deep_copy(part) for name, part in value.items()} if isinstance(value, dict) else value


def _slim(cell: dict[str, Any]) -> Cell:
    """A dict that says no more than its value becomes the value; one that says nothing becomes None."""
    if cell.get("f") == {}:
        del cell["f"]
    if not cell:
        return None
    return cell["v"] if len(cell) == 1 and "v" in cell else cell


def _text(value: Any) -> Cell:
    return check_text(value) or None


def _formula(value: Any) -> Cell:
    if not value.startswith("="):
        raise InvalidRequest("Formulas must start with '='.")
    return formula_cell(check_text(value))


def _error(value: Any) -> Cell:
    raise InvalidRequest("Error values can't be written.")


_ENTERED: dict[str, Callable[[Any], Cell]] = {
    "stringValue": _text,
    "numberValue": number,
    "boolValue": bool,
    "formulaValue": _formula,
    "errorValue": _error,
}


def _entered(value: dict[str, Any]) -> Cell:
    for kind, content in value.items():
        return _ENTERED[kind](content)
    return None


def rendered(cell: Cell, render: str, dates: str, column_format: dict[str, Any] | None = None) -> Any:
    """A cell as the values API answers it; an empty cell is an empty text."""
    if cell is None:
        return ""
    if type(cell) is str:
        return cell
    value = cell_value(cell)
    rich = type(cell) is dict
    if rich and "x" in cell:
        return cell["x"] if render == "FORMULA" else cell.get("v", FORMULA_RESULT)
    if value is None:
        return ""
    number_format = (cell.get("f", {}) if rich else column_format or {}).get("numberFormat") if rich or column_format else None
    if render == "FORMATTED_VALUE":
        return _shown(value, number_format)
    if dates == "FORMATTED_STRING" and number_format and number_format.get("type") in ("DATE", "TIME", "DATE_TIME"):
        return _shown(value, number_format)
    return value


def _shown(value: Any, number_format: dict[str, Any] | None) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        return value
    return formatted(value, number_format) if number_format else plain_number(value)


def cell_data(cell: Cell, column_format: dict[str, Any] | None) -> dict[str, Any]:
    """The CellData resource of a stored cell."""
    rich: dict[str, Any] = cell if type(cell) is dict else {"v": cell}
    document: dict[str, Any] = {}
    value = rich.get("v")
    if "x" in rich:
        computed = {"errorValue": NOT_COMPUTED} if value is None else _extended(value)
        document |= {"userEnteredValue": {"formulaValue": rich["x"]}, "effectiveValue": computed}
        document["formattedValue"] = FORMULA_RESULT if value is None else value
    elif value is not None:
        extended = _extended(value)
        document |= {"userEnteredValue": extended, "effectiveValue": extended}
        document["formattedValue"] = rendered(cell, "FORMATTED_VALUE", "SERIAL_NUMBER", column_format)
    shape = rich.get("f") or column_format
    if shape:
        document |= {"userEnteredFormat": shape, "effectiveFormat": shape}
    if "n" in rich:
        document["note"] = rich["n"]
    link = hyperlink(rich)
    if link is not None:
        document["hyperlink"] = link
    others: dict[str, Any] = rich.get("o", {})
    return document | others


def _extended(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    return {"stringValue": value} if isinstance(value, str) else {"numberValue": value}
