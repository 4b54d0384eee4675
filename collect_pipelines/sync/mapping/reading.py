"""What people write into a mapping or a configuration, checked field by field; faults name the field and the closest word."""

from collections.abc import Mapping
from datetime import datetime
from difflib import get_close_matches
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ValidationError

from collect_pipelines.destinations.interface import Destination
from collect_pipelines.errors import ConfigInvalid
from collect_pipelines.rules.moments import read_date, read_datetime
from collect_pipelines.sync.mapping.model import MappingConfig

__all__ = ["Start", "read_mapping", "read_start", "settings_of_kind"]

Start = Literal["all", "now"] | datetime


def read_mapping(document: Mapping[str, Any]) -> MappingConfig:
    """The mapping. Raises ConfigInvalid naming every field that is wrong."""
    try:
        return MappingConfig.model_validate(document)
    except ValidationError as exc:
        told, fix = _faults(exc, MappingConfig)
        raise ConfigInvalid(
            f"The mapping is not valid. {told}", fix=fix or "docs/integrations.md has all fields, each with an example."
        ) from exc


def settings_of_kind(kind: type[Destination], values: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration as the kind understands it, without what is default. Raises ConfigInvalid naming every field that is wrong."""
    try:
        checked: dict[str, Any] = kind.Config.model_validate(values).model_dump(mode="json", exclude_defaults=True)
    except ValidationError as exc:
        told, fix = _faults(exc, kind.Config)
        at_fault = {str(error["loc"][0]) for error in exc.errors() if error["loc"]}
        explained = [f"{name}: {field.description}" for name, field in kind.Config.model_fields.items() if name in at_fault]
        more = f"`collect plugins show {kind.kind}` explains every field."
        raise ConfigInvalid(
            f"The configuration of {kind.kind} is not valid. {told}", fix=" ".join(part for part in (fix, *explained, more) if part)
        ) from exc
    return checked


def read_start(text: str, zone: str) -> Start:
    """`all`, `now`, or `since:` with a day of the zone or a moment with its offset. Raises ConfigInvalid."""
    if text in ("all", "now"):
        return "all" if text == "all" else "now"
    scheme, _, when = text.partition(":")
    day, moment = read_date(when), read_datetime(when)
    if scheme == "since" and day is not None:
        return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    if scheme == "since" and moment is not None:
        return moment
    raise ConfigInvalid(f"start: {text!r} is no beginning.", fix="Write all, now, since:2026-01-31 or since:2026-01-31T09:30:00+05:30.")


def _faults(exc: ValidationError, model: type[BaseModel]) -> tuple[str, str]:
    """What is wrong, and which field was meant. Promise 10: never a value, it can be a secret."""
    errors = exc.errors(include_input=False, include_context=False, include_url=False)
    told = "; ".join(f"{'.'.join(map(str, error['loc'])) or 'all'}: {_said(error['type'], error['msg'])}" for error in errors)
    unknown = [str(error["loc"][0]) for error in errors if error["type"] == "extra_forbidden" and len(error["loc"]) == 1]
    close = [match for name in unknown for match in get_close_matches(name, model.model_fields, n=1, cutoff=0.6)]
    return told, f"Did you mean {' and '.join(close)}?" if close else ""


def _said(fault: str, message: str) -> str:
    return "there is no such field" if fault == "extra_forbidden" else message.removeprefix("Value error, ")
