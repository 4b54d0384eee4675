"""What a cell says as text, the same from every kind of file."""

from datetime import date, datetime
from typing import Any

__all__ = ["cell_text"]

_SPACES = {0xA0: " ", 0x202F: " "}  # typed by spreadsheet programs where people meant a space


def cell_text(value: Any) -> str:
    """A cell's value as pyxform reads it: whole numbers without a point, TRUE and FALSE, ends stripped; a date at midnight is a day."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime) and value.time().isoformat() == "00:00:00":
        return str(value.date())
    if isinstance(value, date) and not isinstance(value, datetime):
        return str(value)
    return str(value).translate(_SPACES).strip()
