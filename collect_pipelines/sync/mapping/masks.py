"""What goes out instead of an answer that nobody there may read."""

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from collect_pipelines.forms.columns import Mask
from collect_pipelines.forms.definition import Question, answerable_of
from collect_pipelines.rules.moments import read_date, read_datetime
from collect_pipelines.rules.zones import UTC
from collect_pipelines.validation.values import BLANK, typed

__all__ = ["Masks", "Treated", "masked_inside", "masks_inside", "masks_of"]

LAST4_TYPES = frozenset({"text", "email", "url", "phone", "hidden", "integer"})
YEAR_TYPES = frozenset({"date", "datetime"})

LEAST_CHARACTERS = 8  # of an answer that shows its last four: of a shorter one they would be most of it
_NO_PHONE = re.compile(r"[^0-9+]")


Treated = Mapping[str, tuple[str, Mask | None]]
"""Inside a repeat: type and mask of a question by every key its answers stand under; without a mask, a repeat that holds masked ones."""


@dataclass(frozen=True, slots=True)
class Masks:
    """The masks of a mapping, ready to be applied. `key` is the organization's, needed for `hash` only."""

    key: bytes
    zone: str = UTC
    """Whose year a moment falls into."""

    def column(self, text: pl.Expr, question_type: str, mask: Mask) -> pl.Expr:
        """What is shown for the texts of a column: an integer for `year`, else text; null for what the mask can't be applied to."""
        if mask == "year":
            day = typed(text, question_type)
            return (day if question_type == "date" else day.dt.convert_time_zone(self.zone)).dt.year().cast(pl.Int64)
        given = pl.when(~text.str.contains(BLANK)).then(text)
        return given.map_batches(lambda texts: self._each(texts, question_type, mask), return_dtype=pl.String)

    def value(self, text: str, question_type: str, mask: Mask) -> str | int | None:
        """The same for one answer as text."""
        if mask == "hash":
            return hmac.digest(self.key, _canonical(text, question_type).encode(), "sha256").hex()
        if mask == "last4":
            kept = _canonical(text, question_type)
            return kept[-4:] if len(kept) >= LEAST_CHARACTERS else None
        if mask == "year":
            return self._year(text, question_type)
        return None

    def inside(self, text: pl.Expr, treated: Treated) -> pl.Expr:
        """The JSON of a repeat with the answers of these questions masked; null when it is no list of rows."""
        return text.map_elements(lambda rows: self._repeat(rows, treated), return_dtype=pl.String)

    def _each(self, texts: pl.Series, question_type: str, mask: Mask) -> pl.Series:
        shown = [None if text is None else self.value(text, question_type, mask) for text in texts.to_list()]
        return pl.Series(texts.name, shown, dtype=pl.String)

    def _year(self, text: str, question_type: str) -> int | None:
        if question_type == "date":
            day = read_date(text)
            return None if day is None else day.year
        moment = read_datetime(text)
        return None if moment is None else moment.astimezone(ZoneInfo(self.zone)).year

    def _repeat(self, text: str, treated: Treated) -> str | None:
        try:
            rows = json.loads(text)
        except (ValueError, RecursionError):
            return None  # nobody knows what is in it
        return json.dumps(self._rows(rows, treated), ensure_ascii=False) if isinstance(rows, list) else None

    def _rows(self, rows: Any, treated: Treated) -> list[dict[str, Any]]:
        return [self._row(row, treated) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []

    def _row(self, row: Mapping[str, Any], treated: Treated) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        for key, answer in row.items():
            question_type, mask = treated.get(key, ("", None))
            if mask is not None:
                answer = self._answer(answer, question_type, mask)
            elif question_type:
                answer = self._rows(answer, treated)
            if answer is not None or mask is None:
                shown[key] = answer
        return shown

    def _answer(self, answer: Any, question_type: str, mask: Mask) -> str | int | None:
        text = answer if isinstance(answer, str) else None if answer is None else json.dumps(answer, ensure_ascii=False)
        return None if text is None or not text.strip() else self.value(text, question_type, mask)


def masks_of(question_type: str) -> tuple[Mask, ...]:
    """The masks that questions of this type can have."""
    last4: tuple[Mask, ...] = ("last4",) if question_type in LAST4_TYPES else ()
    year: tuple[Mask, ...] = ("year",) if question_type in YEAR_TYPES else ()
    return ("hash", *last4, *year, "drop")


def masks_inside(question: Question, masks: Mapping[str, Mask]) -> Treated:
    """What is to be done inside a repeat: masked questions, and the repeats that hold some."""
    found: dict[str, tuple[str, Mask | None]] = {}
    for inner in answerable_of(question.questions):
        keys = (inner.key, *inner.was)
        mask = next((masks[key] for key in keys if key in masks), None)
        deeper = masks_inside(inner, masks)
        if mask is not None or deeper:
            found |= dict.fromkeys(keys, (inner.type, mask))
            found |= deeper
    return found


def masked_inside(question: Question, treated: Treated) -> Question:
    """The repeat with its masked questions as what the masks leave of them: texts and years."""
    return question.model_copy(update={"questions": tuple(_shown(inner, treated) for inner in question.questions)})


def _shown(question: Question, treated: Treated) -> Question:
    _, mask = treated.get(question.key, ("", None))
    if mask is None:
        return masked_inside(question, treated) if question.questions else question
    kind = "integer" if mask == "year" else "text"
    return question.model_copy(update={"type": kind, "choices": (), "questions": (), "pii": "none"})


def _canonical(text: str, question_type: str) -> str:
    """One spelling of what people write in several ways, so that equal answers have equal digests."""
    if question_type == "phone":
        return _NO_PHONE.sub("", text)
    return text.strip().lower() if question_type == "email" else text.strip()
