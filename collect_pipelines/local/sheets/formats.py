"""Numbers as people see them, and what people type as numbers: the part of Sheets' number formats that forms need."""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

__all__ = ["DAY_ZERO", "entered", "formatted", "serial"]

DAY_ZERO = date(1899, 12, 30)  # day 0 of Sheets' serial numbers; developers.google.com/workspace/sheets/api/guides/values
SECONDS_PER_DAY = 86_400
DEFAULT_PATTERNS = {
    "DATE": "m/d/yyyy",
    "TIME": "h:mm:ss am/pm",
    "DATE_TIME": "m/d/yyyy h:mm:ss",
    "PERCENT": "0.00%",
    "NUMBER": "#,##0.00",
    "CURRENCY": "$#,##0.00",
    "SCIENTIFIC": "0.00E+00",
}
_MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_TOKEN = re.compile(r'"[^"]*"|\\.|y+|m+|d+|h+|s+|\.0+|am/pm|a/p|.', re.IGNORECASE | re.DOTALL)
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)?(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")
_ISO_DATE = re.compile(r"([0-9]{4})[-/]([0-9]{1,2})[-/]([0-9]{1,2})")
_US_DATE = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}(?:\.[0-9]+)?))?(?:\s*([AaPp][Mm]))?")


def formatted(value: float, number_format: dict[str, Any]) -> str:
    """`value` in a NumberFormat of CellFormat."""
    kind = number_format.get("type", "NUMBER")
    pattern = number_format.get("pattern") or DEFAULT_PATTERNS.get(kind, "General")
    if kind in ("DATE", "TIME", "DATE_TIME"):
        return _formatted_date(value, pattern)
    if pattern in ("General", "@") or kind == "TEXT":
        return f"{value:.15g}"
    return _formatted_number(value, pattern)


def serial(moment: date | datetime | time) -> int | float:
    """The serial number of a date, a time of day or both."""
    if isinstance(moment, time):
        return (moment.hour * 3600 + moment.minute * 60 + moment.second + moment.microsecond / 1e6) / SECONDS_PER_DAY
    days = (date(moment.year, moment.month, moment.day) - DAY_ZERO).days
    return days + serial(moment.time()) if isinstance(moment, datetime) else days


def entered(text: str) -> tuple[Any, dict[str, Any] | None]:
    """
    What USER_ENTERED makes of a text: (value, format to set or None).

    A formula comes back as `{"x": text}`; 0042 becomes 42, which is why answers are never sent this way.
    """
    if text.startswith("'"):
        return text[1:], None
    if text.startswith("=") and len(text) > 1:
        return {"x": text}, None
    stripped = text.strip()
    if stripped.upper() in ("TRUE", "FALSE"):
        return stripped.upper() == "TRUE", None
    as_number = _as_number(stripped)
    if as_number is not None:
        return as_number
    moment = _as_moment(stripped)
    return moment if moment is not None else (text, None)


def _as_number(text: str) -> tuple[Any, dict[str, Any] | None] | None:
    percent = text.endswith("%")
    digits = text[:-1].rstrip() if percent else text
    if not _NUMBER.fullmatch(digits) or not any(letter.isdigit() for letter in digits.partition("e")[0]):
        return None
    number = float(digits.replace(",", ""))
    if percent:
        pattern = "0.00%" if "." in digits else "0%"
        return number / 100, {"numberFormat": {"type": "PERCENT", "pattern": pattern}}
    return number, {"numberFormat": {"type": "NUMBER", "pattern": "#,##0"}} if "," in digits else None


def _as_moment(text: str) -> tuple[Any, dict[str, Any] | None] | None:
    day_text, _, time_text = text.partition(" ")
    day = _as_date(day_text)
    if day is None:
        clock = _as_time(text)
        return None if clock is None else (serial(clock), {"numberFormat": {"type": "TIME"}})
    if not time_text:
        return serial(day[0]), {"numberFormat": {"type": "DATE", "pattern": day[1]}}
    clock = _as_time(time_text)
    if clock is None:
        return None
    return serial(datetime.combine(day[0], clock)), {"numberFormat": {"type": "DATE_TIME", "pattern": f"{day[1]} h:mm:ss"}}


def _as_date(text: str) -> tuple[date, str] | None:
    iso, us = _ISO_DATE.fullmatch(text), _US_DATE.fullmatch(text)
    try:
        if iso:
            return date(*(int(part) for part in iso.groups())), "yyyy-mm-dd"
        if us:
            month, day, year = (int(part) for part in us.groups())
            return date(year, month, day), "m/d/yyyy"
    except ValueError:
        return None
    return None


def _as_time(text: str) -> time | None:
    match = _TIME.fullmatch(text)
    if not match:
        return None
    hour, minute, seconds = int(match[1]), int(match[2]), float(match[3] or 0)
    if match[4]:
        hour = hour % 12 + (12 if match[4].lower() == "pm" else 0)
    if hour > 23 or minute > 59 or seconds >= 60:
        return None
    return time(hour, minute, int(seconds), round(seconds % 1 * 1e6) % 1_000_000)


def _formatted_number(value: float, pattern: str) -> str:
    body = pattern.split(";")[0]
    percent = "%" in body
    number = value * 100 if percent else value
    digits = "".join(letter for letter in body if letter in "0#.,E+?")
    prefix = body[: body.index(digits[0])].replace('"', "").replace("\\", "") if digits and digits[0] in body else ""
    decimals = len(digits.partition("E")[0].partition(".")[2].replace(",", ""))
    if "E" in digits:
        return f"{prefix}{number:.{decimals}E}"
    text = f"{abs(number):,.{decimals}f}" if "," in digits else f"{abs(number):.{decimals}f}"
    return ("-" if number < 0 else "") + prefix + text + ("%" if percent else "")


def _formatted_date(value: float, pattern: str) -> str:
    milliseconds = round(value * SECONDS_PER_DAY * 1000)
    moment = datetime(DAY_ZERO.year, DAY_ZERO.month, DAY_ZERO.day, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    tokens = _TOKEN.findall(pattern)
    twelve = any(token.lower() in ("am/pm", "a/p") for token in tokens)
    shown = []
    for place, token in enumerate(tokens):
        is_minute = token.lower().startswith("m") and len(token) <= 2 and _is_minute(tokens, place)
        shown.append(_date_part(token, moment, twelve, is_minute))
    return "".join(shown)


def _is_minute(tokens: list[str], place: int) -> bool:
    """`m` means minutes after an hour or before a second."""
    letters = [token[0].lower() for token in tokens]
    before = next((letter for letter in reversed(letters[:place]) if letter in "ymdhs"), "")
    after = next((letter for letter in letters[place + 1 :] if letter in "ymdhs"), "")
    return before == "h" or after == "s"


def _date_part(token: str, moment: datetime, twelve: bool, is_minute: bool) -> str:
    kind, width = token[0].lower(), len(token)
    if token[0] in '"\\':
        return token.strip('"').lstrip("\\")
    if token.lower() in ("am/pm", "a/p"):
        return ("AM" if moment.hour < 12 else "PM")[: 2 if width > 3 else 1]
    if kind == "y":
        return f"{moment.year % 100:02d}" if width <= 2 else f"{moment.year:04d}"
    if kind == "m":
        number = moment.minute if is_minute else moment.month
        return f"{number:0{min(width, 2)}d}" if width <= 2 else _MONTHS[moment.month - 1][: 3 if width == 3 else None]
    if kind == "d":
        return f"{moment.day:0{width}d}" if width <= 2 else _DAYS[moment.weekday()][: 3 if width == 3 else None]
    if kind == "h":
        return f"{(moment.hour % 12 or 12) if twelve else moment.hour:0{min(width, 2)}d}"
    if kind == "s":
        return f"{moment.second:0{min(width, 2)}d}"
    if token.startswith(".0"):
        return f".{moment.microsecond // 1000:03d}"[:width]
    return token
