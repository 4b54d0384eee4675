"""Dates and times in local spellings (`31.12.2025`, `12/31/25 3:45 PM`), read so that the same text can be written again."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cached_property
from itertools import product
from typing import Any, Literal
from zoneinfo import ZoneInfo

__all__ = ["MomentFormat", "MomentKind", "moment_formats"]

MomentKind = Literal["date", "time", "datetime"]

MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")
YEARS_AHEAD = 1  # a survey hardly asks for days further away; two digits of a year mean the century up to then
CENTURY = 100

_TOKEN = re.compile(r"YYYY|YY|MMMM|MMM|MM|M|DD|D|HH|H|hh|h|mm|ss|A|a|[^A-Za-z]+|.", re.DOTALL)
_READ = {
    "YYYY": "(?P<year>[0-9]{4})", "YY": "(?P<year>[0-9]{2})", "MMMM": "(?P<name>[A-Za-z]{3,9})", "MMM": "(?P<name>[A-Za-z]{3,9})",
    "MM": "(?P<month>[0-9]{1,2})", "M": "(?P<month>[0-9]{1,2})", "DD": "(?P<day>[0-9]{1,2})", "D": "(?P<day>[0-9]{1,2})",
    "HH": "(?P<hour>[0-9]{1,2})", "H": "(?P<hour>[0-9]{1,2})", "hh": "(?P<hour>[0-9]{1,2})", "h": "(?P<hour>[0-9]{1,2})",
    "mm": "(?P<minute>[0-9]{2})", "ss": "(?P<second>[0-9]{2})", "A": "(?P<half>[AaPp][Mm])", "a": "(?P<half>[AaPp][Mm])",
}  # fmt: skip
_UNPADDED = "(?:0|[1-9][0-9]?)"
_EXACT = {
    "YYYY": "[0-9]{4}", "YY": "[0-9]{2}", "MM": "[0-9]{2}", "M": _UNPADDED, "DD": "[0-9]{2}", "D": _UNPADDED, "HH": "[0-9]{2}",
    "H": _UNPADDED, "hh": "[0-9]{2}", "h": _UNPADDED, "mm": "[0-9]{2}", "ss": "[0-9]{2}", "A": "(?:AM|PM)", "a": "(?:am|pm)",
}  # fmt: skip
_DAY = re.compile(r"([0-9]{1,4}|[A-Za-z]{3,9})(, |[-/. ])([0-9]{1,2}|[A-Za-z]{3,9})(, |[-/. ])([0-9]{2}|[0-9]{4})(?![0-9])")
_CLOCK = re.compile(r"([0-9]{1,2}):[0-9]{2}(:[0-9]{2})?( ?)([AaPp][Mm])?")


@dataclass(frozen=True)
class MomentFormat:
    """One spelling of dates, times or both. `write(read(text)) == text` for every text that is written exactly so."""

    kind: MomentKind
    pattern: str
    """Of YYYY YY MMMM MMM MM M DD D HH H hh h mm ss A (AM) a (am); everything else stands for itself."""
    zone: str = "UTC"
    """For datetime: where the clock was; an IANA name."""
    first_year: int | None = None
    """For YY: the two digits are a year of the hundred from this one."""
    upper: bool = False
    """Names of months in capitals."""

    @property
    def order(self) -> str:
        """Order of day, month and year, e.g. `DMY`."""
        return "".join(dict.fromkeys(token[0] for token in self._tokens if token[0] in "DMY"))

    def read(self, text: str) -> str | None:
        """The answer (`2025-12-31`, `09:30`, RFC 3339 in UTC); None when the text is written otherwise or is no moment."""
        match = self._regex.fullmatch(text.strip())
        if match is None:
            return None
        found = match.groupdict()
        with suppress(ValueError, OverflowError):
            if self.kind == "time":
                return self._clock(found).isoformat("seconds" if found.get("second") else "minutes")
            day = date(self._year(found["year"]), _month(found), int(found["day"]))
            return day.isoformat() if self.kind == "date" else self._instant(datetime.combine(day, self._clock(found)))
        return None

    def fits(self, text: str) -> bool:
        """Whether it is a moment written exactly so: then it comes back as the identical text."""
        return self._exact.fullmatch(text) is not None and self.read(text) is not None

    def write(self, answer: str) -> str:
        """The answer as text."""
        moment: Any
        if self.kind == "time":
            moment = datetime.combine(date.min, time.fromisoformat(answer))
        elif self.kind == "date":
            moment = datetime.combine(date.fromisoformat(answer), time.min)
        else:
            moment = datetime.fromisoformat(answer).astimezone(self._zone)
        return "".join(self._spelled(token, moment) for token in self._tokens)

    def as_metadata(self) -> dict[str, Any]:
        """What is needed to read and write it again."""
        facts: dict[str, Any] = {self.kind: self.pattern}
        if self.kind == "datetime":
            facts["zone"] = self.zone
        if self.first_year is not None:
            facts["first_year"] = self.first_year
        if self.upper:
            facts["months"] = "upper"
        return facts

    @classmethod
    def of(cls, kind: MomentKind, facts: Mapping[str, Any]) -> "MomentFormat":
        """The format of a question's metadata. Raises ValueError when it is none."""
        pattern, zone, first_year = facts.get(kind), facts.get("zone", "UTC"), facts.get("first_year")
        if not isinstance(pattern, str) or not facts.keys() <= {kind, "zone", "first_year", "months"}:
            raise ValueError(f"the format of a {kind} has `{kind}`, e.g. {_EXAMPLES[kind]}, and may have zone, first_year and months")
        if not isinstance(zone, str) or (first_year is not None and type(first_year) is not int):
            raise ValueError("zone is a name such as Asia/Kolkata, and first_year a year")
        made = cls(kind, pattern, zone, first_year, facts.get("months") == "upper")
        made.check()
        return made

    def check(self) -> None:
        """Raises ValueError when a part is missing, or the zone is not known."""
        parts = {_PARTS[token] for token in self._tokens if token in _PARTS}
        needed = {"date": "YMD", "time": "Hm", "datetime": "YMDHm"}[self.kind]
        if not set(needed) <= parts or ("YY" in self._tokens) != (self.first_year is not None):
            raise ValueError(f"a {self.kind} is written like {_EXAMPLES[self.kind]}; YY needs first_year")
        try:
            assert self._zone
        except (OSError, ValueError) as exc:  # ZoneInfoNotFoundError is a KeyError on some systems
            raise ValueError(f"there is no time zone {self.zone!r}; write a name such as Asia/Kolkata") from exc

    @cached_property
    def _tokens(self) -> tuple[str, ...]:
        return tuple(_TOKEN.findall(self.pattern))

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        return re.compile("".join(_READ.get(token, re.escape(token)) for token in self._tokens))

    @cached_property
    def _exact(self) -> re.Pattern[str]:
        months = MONTHS if "MMMM" in self._tokens else tuple(month[:3] for month in MONTHS)
        names = "|".join(month.upper() if self.upper else month for month in months)
        own = {"MMM": f"(?:{names})", "MMMM": f"(?:{names})"}
        return re.compile("".join(own.get(token) or _EXACT.get(token, re.escape(token)) for token in self._tokens))

    @cached_property
    def _zone(self) -> ZoneInfo:
        try:
            return ZoneInfo(self.zone)
        except KeyError as exc:
            raise ValueError(self.zone) from exc

    def _year(self, digits: str) -> int:
        if len(digits) == 4 or self.first_year is None:
            return int(digits)
        return self.first_year + (int(digits) - self.first_year) % CENTURY

    def _clock(self, found: Mapping[str, str | None]) -> time:
        hour, half = int(found["hour"] or 0), found.get("half")
        if half is not None:
            if not 1 <= hour <= 12:
                raise ValueError("no hour of a 12-hour clock")
            hour = hour % 12 + (12 if half.upper() == "PM" else 0)
        return time(hour, int(found["minute"] or 0), int(found.get("second") or 0))

    def _instant(self, local: datetime) -> str | None:
        if self.zone == "UTC":
            return local.isoformat() + "Z"
        instant = local.replace(tzinfo=self._zone).astimezone(UTC)
        if instant.astimezone(self._zone).replace(tzinfo=None) != local:
            return None  # the clock was put forward over this moment
        return instant.replace(tzinfo=None).isoformat() + "Z"

    def _spelled(self, part: str, moment: datetime) -> str:
        if part in ("MMM", "MMMM"):
            name = MONTHS[moment.month - 1]
            name = name[:3] if len(part) == 3 else name
            return name.upper() if self.upper else name
        if part in ("A", "a"):
            half = "AM" if moment.hour < 12 else "PM"
            return half if part.isupper() else half.lower()
        if part not in _READ:
            return part
        numbers = {"Y": moment.year, "M": moment.month, "D": moment.day, "H": moment.hour, "m": moment.minute, "s": moment.second}
        numbers["h"] = (moment.hour - 1) % 12 + 1
        number = numbers[part[0]]
        return f"{number % CENTURY if part == 'YY' else number:0{len(part)}d}"


_EXAMPLES = {"date": "DD/MM/YYYY", "time": "h:mm A", "datetime": "DD/MM/YYYY HH:mm"}
_PARTS = {token: token[0] for token in _READ} | {"h": "H", "hh": "H"}


def moment_formats(cell: str, this_year: int, zone: str) -> Iterator[MomentFormat]:
    """Every format in which the cell may be written; with two digits of a year up to the one after `this_year`."""
    day = _DAY.match(cell)
    rest = cell[day.end() :] if day else cell
    gap = rest[: len(rest) - len(rest.lstrip(" T,"))]
    clock = _CLOCK.fullmatch(rest[len(gap) :])
    clocks = list(_clock_patterns(clock)) if clock else []
    if day is None:
        found = [(clock_pattern, False) for clock_pattern in clocks] if not gap else []
        kind: MomentKind = "time"
    elif not rest:
        found, kind = list(_day_patterns(day)), "date"
    else:
        found = [(f"{pattern}{gap}{end}", upper) for (pattern, upper), end in product(_day_patterns(day), clocks)] if gap else []
        kind = "datetime"
    first_year = this_year + YEARS_AHEAD - CENTURY + 1
    for pattern, upper in found:
        two_digits = "YY" in pattern and "YYYY" not in pattern
        yield MomentFormat(kind, pattern, zone, first_year if two_digits else None, upper)


def _day_patterns(match: re.Match[str]) -> Iterator[tuple[str, bool]]:
    """Patterns and whether months are in capitals, padded numbers first."""
    parts, separators = match.group(1, 3, 5), match.group(2, 4)
    for order in ("DMY", "MDY", "YMD"):
        # two digits of a year stand last: as the first ones they would make every 31/12/25 ambiguous
        choices = [_part_tokens(part, role, order[-1] == "Y") for part, role in zip(parts, order, strict=True)]
        for first, second, third in product(*choices):
            names = [part for part in parts if part.isalpha()]
            yield f"{first}{separators[0]}{second}{separators[1]}{third}", bool(names) and names[0].isupper()


def _part_tokens(part: str, role: str, last: bool) -> tuple[str, ...]:
    if part.isalpha():
        return () if role != "M" else ("MMM", "MMMM") if len(part) == 3 else ("MMMM",)
    if role == "Y":
        return ("YYYY",) if len(part) == 4 else ("YY",) if len(part) == 2 and last else ()
    if len(part) > 2:
        return ()
    return (role * 2, role) if len(part) == 2 else (role,)


def _clock_patterns(match: re.Match[str]) -> Iterator[str]:
    hour, seconds, gap, half = match.groups()
    tokens = ("hh", "h") if half else ("HH", "H")
    if not half and gap:
        return
    end = f"{gap}{'A' if half.isupper() else 'a'}" if half else ""
    for token in tokens if len(hour) == 2 else tokens[1:]:
        yield f"{token}:mm{':ss' if seconds else ''}{end}"


def _month(found: Mapping[str, str | None]) -> int:
    name = found.get("name")
    if name is None:
        return int(found["month"] or 0)
    for number, month in enumerate(MONTHS, 1):
        if name.lower() in (month.lower(), month[:3].lower()):
            return number
    raise ValueError("no month")
