"""Reading what a provider answers: bounded, and nothing of it trusted."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

__all__ = ["PLACE_FIX", "at_path", "document", "moment", "retry_after", "word"]

PLACE_FIX = "Correct the address in the integration's `provider`, then resume."
LONGEST_WAIT_SECONDS = 3600.0  # a provider that asks for more is asked again after an hour
MOST_WORD = 100  # characters of an id, a code or a state


def document(body: bytes) -> Any:
    """The JSON of an answer; None for what is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def at_path(value: Any, path: str) -> Any:
    """What stands at `messages.0.id`; None where there is nothing."""
    for step in path.split("."):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and len(step) < 6:
            value = value[int(step)] if int(step) < len(value) else None
        else:
            return None
    return value


def word(value: Any) -> str | None:
    """An id or a code as short printable text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value).strip()
    return text if 0 < len(text) <= MOST_WORD and text.isprintable() else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds the provider asks to wait, by `Retry-After` as a number or a date."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return min(float(text), LONGEST_WAIT_SECONDS)
    date = moment(text)
    return None if date is None else min(max((date - datetime.now(UTC)).total_seconds(), 0.0), LONGEST_WAIT_SECONDS)


def moment(text: Any) -> datetime | None:
    """A date as HTTP and Twilio write it (RFC 2822), aware."""
    if not isinstance(text, str):
        return None
    try:
        read = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)
