"""Dates and times as answers spell them: one strict reading, used for answers, bounds and CSV cells."""

import re
from datetime import UTC, date, datetime, time

__all__ = ["read_date", "read_datetime", "read_time"]

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2})?")
_DATETIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})")


def read_date(text: str) -> date | None:
    """`2026-01-31`; None when the text is anything else or no day of the calendar."""
    try:
        return date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None


def read_time(text: str) -> time | None:
    """`09:30` or `09:30:15`, 24 hours, without zone; None when the text is anything else."""
    try:
        return time.fromisoformat(text) if _TIME.fullmatch(text) else None
    except ValueError:
        return None


def read_datetime(text: str) -> datetime | None:
    """RFC 3339 with its zone, e.g. `2026-01-31T09:30:00Z` or `...+05:30`, as UTC; None when the text is anything else."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if _DATETIME.fullmatch(text) else None
    except (ValueError, OverflowError):
        return None
