"""Hours in which nobody is written to, by the recipient's own clock."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

__all__ = ["QuietHours", "seconds_of_quiet"]

_HOURS = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")


def _hours(text: str) -> str:
    begin, end = _read(text)
    if begin == end:
        raise ValueError("the hours begin and end at the same minute")
    return text


def _read(text: str) -> tuple[time, time]:
    found = _HOURS.fullmatch(text)
    if found is None:
        raise ValueError("write hours as HH:MM-HH:MM, e.g. 21:00-08:00")
    return time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))


QuietHours = Annotated[str, AfterValidator(_hours)]


def seconds_of_quiet(hours: str, zones: Iterable[str], now: datetime) -> float:
    """
    Seconds until it is quiet in none of the zones; 0.0 when it is not quiet now.

    zones: IANA names of where the recipient may be. now: aware.
    """
    begin, end = _read(hours)
    return _left(begin, end, [ZoneInfo(zone) for zone in zones], now)


def _left(begin: time, end: time, zones: list[ZoneInfo], now: datetime) -> float:
    waited = now = now.astimezone(UTC)  # the difference of two moments in one zone would ignore a change of clocks between them
    # each zone may push the moment into the quiet hours of another, but never past two days in all
    while waited - now < timedelta(days=2):
        ends = [over for zone in zones if (over := _end(begin, end, waited.astimezone(zone))) is not None]
        if not ends:
            return (waited - now).total_seconds()
        waited = max(end.astimezone(UTC) for end in ends)
    return (waited - now).total_seconds()  # the zones lie so far apart that it is quiet in one of them at any time


def _end(begin: time, end: time, local: datetime) -> datetime | None:
    """When the quiet hours around this local moment end; None outside of them."""
    clock = local.time()
    over_midnight = begin > end
    within = (clock >= begin or clock < end) if over_midnight else begin <= clock < end
    if not within:
        return None
    day = local.date() + timedelta(days=1 if over_midnight and clock >= begin else 0)
    return datetime.combine(day, end, local.tzinfo)
