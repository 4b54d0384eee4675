"""What a basic filter hides: rows by listed values and by the conditions people use most."""

from collections.abc import Callable
from typing import Any

from collect_pipelines.local.sheets.cells import rendered
from collect_pipelines.local.sheets.errors import InvalidRequest, SheetsError
from collect_pipelines.local.sheets.grid import Cell, cell_value

__all__ = ["hides", "with_specs"]

Check = Callable[[Any, str, list[str]], bool]
"""True for a cell that is shown: its value, its text as people see it, the condition's texts."""


def with_specs(wanted: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """The criteria of a BasicFilter by column: `filterSpecs` take the place of the older `criteria` where both name a column."""
    # developers.google.com/workspace/sheets/api/reference/rest/v4/spreadsheets/sheets#BasicFilter
    criteria = {int(column): one for column, one in wanted.get("criteria", {}).items()}
    return criteria | {spec.get("columnIndex", 0): spec.get("filterCriteria", {}) for spec in wanted.get("filterSpecs", [])}


def hides(criteria: dict[str, Any], cell: Cell, column_format: dict[str, Any] | None) -> bool:
    """True when a row with this cell in the filtered column is hidden; raises InvalidRequest for a condition without its values."""
    shown = rendered(cell, "FORMATTED_VALUE", "SERIAL_NUMBER", column_format)
    if shown in criteria.get("hiddenValues", ()):
        return True
    condition = criteria.get("condition")
    if not condition:
        return False
    kind = condition.get("type", "")
    if kind not in _CHECKS:
        raise SheetsError(501, f"The local Sheets server does not know the filter condition {kind!r}.")
    count, check = _CHECKS[kind]
    texts = [str(value.get("userEnteredValue", "")) for value in condition.get("values", [])]
    if len(texts) != count:
        raise InvalidRequest(f"ConditionType '{kind}' requires {count} ConditionValues, but {len(texts)} were given.")
    return not check(cell_value(cell), shown, texts)


def _number(check: Callable[[float, list[float]], bool]) -> Check:
    def checked(value: Any, shown: str, texts: list[str]) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        try:
            return check(value, [float(text) for text in texts])
        except ValueError as exc:
            raise InvalidRequest("The condition's value is not a number.") from exc

    return checked


# ConditionType, developers.google.com/workspace/sheets/api/reference/rest/v4/spreadsheets/other: how many values it takes, what it shows.
_CHECKS: dict[str, tuple[int, Check]] = {
    "BLANK": (0, lambda value, shown, texts: shown == ""),
    "NOT_BLANK": (0, lambda value, shown, texts: shown != ""),
    "TEXT_CONTAINS": (1, lambda value, shown, texts: texts[0].casefold() in shown.casefold()),
    "TEXT_NOT_CONTAINS": (1, lambda value, shown, texts: texts[0].casefold() not in shown.casefold()),
    "TEXT_STARTS_WITH": (1, lambda value, shown, texts: shown.casefold().startswith(texts[0].casefold())),
    "TEXT_ENDS_WITH": (1, lambda value, shown, texts: shown.casefold().endswith(texts[0].casefold())),
    "TEXT_EQ": (1, lambda value, shown, texts: shown.casefold() == texts[0].casefold()),
    "NUMBER_GREATER": (1, _number(lambda value, most: value > most[0])),
    "NUMBER_GREATER_THAN_EQ": (1, _number(lambda value, most: value >= most[0])),
    "NUMBER_LESS": (1, _number(lambda value, most: value < most[0])),
    "NUMBER_LESS_THAN_EQ": (1, _number(lambda value, most: value <= most[0])),
    "NUMBER_EQ": (1, _number(lambda value, other: value == other[0])),
    "NUMBER_NOT_EQ": (1, _number(lambda value, other: value != other[0])),
    "NUMBER_BETWEEN": (2, _number(lambda value, ends: ends[0] <= value <= ends[1])),
    "NUMBER_NOT_BETWEEN": (2, _number(lambda value, ends: not ends[0] <= value <= ends[1])),
}
