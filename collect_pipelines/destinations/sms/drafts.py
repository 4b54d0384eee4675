"""From a row to the message it would become, or to the reason why there is none. Nothing is looked up or sent here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from collect_pipelines.destinations.interface import Batch, Column
from collect_pipelines.destinations.sms.config import SmsConfig
from collect_pipelines.destinations.sms.numbers import Recipient, recipient_of
from collect_pipelines.destinations.sms.segments import Count, count, fitting
from collect_pipelines.destinations.sms.template import Template, read_template, unknown_field
from collect_pipelines.destinations.sms.wording import Wording
from collect_pipelines.errors import Blocked

__all__ = ["Draft", "Drafter", "misfits"]

MASKED = ":"  # in the key of a column that holds what a mask leaves of the answers
REGION_ATTRIBUTE = "region"  # of the choice that was answered; as the check of phone numbers reads it
FIX = "Correct it with `collect integrations set`, then resume."


@dataclass(frozen=True, slots=True)
class Draft:
    """One message before anything is known of limits."""

    response_id: str
    revision: int
    received_at: datetime
    recipient: Recipient
    language: str
    text: str
    count: Count
    cut: bool = False
    """The text was longer than it may be."""
    refused: str | None = None
    """Why it will never be sent as it is."""
    gone: bool = False
    """The response was deleted."""

    def __repr__(self) -> str:
        return f"Draft({self.response_id!r}, revision={self.revision})"  # Promise 10: tracebacks show arguments


class Drafter:
    """Makes the drafts of one batch. Raises Blocked when the configuration does not fit the columns."""

    def __init__(self, config: SmsConfig, batch: Batch) -> None:
        self._config, self._batch = config, batch
        self._columns = _by_key(batch.columns)
        faults = misfits(config, batch.columns)
        if faults:
            raise Blocked(f"The configuration does not fit the form. {'. '.join(faults)}.", fix=FIX)

    def drafts(self) -> Iterator[Draft]:
        """One per row, in order."""
        for row in self._batch.frame.iter_rows(named=True):
            yield self._draft(row)

    def _draft(self, row: Mapping[str, Any]) -> Draft:
        wanted = _text(self._answer(row, self._config.language_from))
        language, text = self._config.text_in(wanted, self._batch.language)
        spoken = wanted or language or self._batch.language
        wording = Wording(self._batch, self._columns, row, spoken)
        whole = _template(text).filled(wording.of).strip()
        short = fitting(whole, self._config.most_segments)
        cut = short != whole
        refused = f"its text has more than {self._config.most_segments} segments" if cut and self._config.too_long == "refuse" else None
        gone = row["_operation"] == "delete"
        return Draft(
            response_id=row["_response_id"],
            revision=row["_revision"],
            received_at=row["_received_at"],
            recipient=Recipient(None, reason="the response was deleted") if gone else self._recipient(row),
            language=spoken or "",
            text=short,
            count=count(short),
            cut=cut,
            refused=refused,
            gone=gone,
        )

    def _recipient(self, row: Mapping[str, Any]) -> Recipient:
        column = self._columns[self._config.to]
        region = column.question.region or self._region(row) or self._config.region
        return recipient_of(_text(row.get(column.name)), region, self._config.number_types)

    def _region(self, row: Mapping[str, Any]) -> str | None:
        code = _text(self._answer(row, self._config.region_from))
        if code is None or self._config.region_from is None:
            return None
        choices = self._columns[self._config.region_from].question.choices
        told = next((choice.attribute(REGION_ATTRIBUTE) for choice in choices if choice.code == code), ())
        return told[0] if told else code.upper() if len(code) == 2 else None

    def _answer(self, row: Mapping[str, Any], key: str | None) -> Any:
        return None if key is None else row.get(self._columns[key].name)


def misfits(config: SmsConfig, columns: tuple[Column, ...]) -> list[str]:
    """What the configuration names and the columns don't have, each with what may be meant."""
    known = _by_key(columns)
    named = {"to": config.to, "language_from": config.language_from, "region_from": config.region_from}
    faults = [
        f"{field}: there is no question `{key}` among the columns of the integration, or it is masked"
        for field, key in named.items()
        if key is not None and key not in known
    ]
    for language, text in config.template.items():
        where = f"template.{language}" if language else "template"
        unknown = [field for field in _template(text).fields if not field.fact and field.name not in known]
        faults += [f"{where}: {unknown_field(field, known)}" for field in unknown]
    return faults


@lru_cache(maxsize=64)
def _template(text: str) -> Template:
    return read_template(text)


def _by_key(columns: tuple[Column, ...]) -> dict[str, Column]:
    """Unmasked columns by every key their question has or had; the one of today goes first."""
    plain = [column for column in columns if MASKED not in column.key]
    earlier = {key: column for column in plain for key in (*column.keys, column.key)}
    return earlier | {column.question.key: column for column in plain}


def _text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None
