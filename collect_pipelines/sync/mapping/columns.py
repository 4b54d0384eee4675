"""Which columns go out, in which order, under which headings and masks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from collect_pipelines.forms.columns import Column, Mask, masked
from collect_pipelines.forms.definition import Question, answerable_of
from collect_pipelines.sync.mapping.masks import Treated, masked_inside, masks_inside
from collect_pipelines.sync.mapping.model import ChosenColumn, MappingConfig

__all__ = ["Outgoing", "by_any_key", "every_question", "outgoing", "unmasked_pii"]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One column of the log and what is made of it."""

    source: Column
    """As the log has it."""
    column: Column
    """As the destination sees it."""
    mask: Mask | None = None
    treated: Treated | None = None
    """For a repeat: what is masked inside it."""


def by_any_key(columns: Sequence[Column]) -> dict[str, Column]:
    """The columns by every key their questions ever had."""
    return {key: column for column in columns for key in (*column.keys, *column.question.was, column.question.key)}


def every_question(columns: Sequence[Column]) -> dict[str, Question]:
    """All questions by every key they ever had, those inside repeats included."""
    found: dict[str, Question] = {key: column.question for key, column in by_any_key(columns).items()}
    for column in columns:
        found |= {key: inner for inner in _inside(column.question) for key in (inner.key, *inner.was)}
    return found


def outgoing(mapping: MappingConfig, columns: Sequence[Column]) -> tuple[Outgoing, ...]:
    """The columns that go out, in order. columns: those of all versions. Names nobody knows are left out: see `fit`."""
    known = by_any_key(columns)
    away = {known[key].key for key in mapping.exclude if key in known}
    masks = {known[key].key: mask for key, mask in mapping.masks.items() if key in known}
    chosen = [ChosenColumn(question=column.key) for column in columns] if mapping.columns is None else mapping.columns
    wanted = [(known[one.question], one.heading) for one in chosen if one.question in known]
    return tuple(
        _outgoing(column, heading, masks.get(column.key), mapping.masks)
        for column, heading in wanted
        if column.key not in away and masks.get(column.key) != "drop"
    )


def unmasked_pii(columns: Sequence[Outgoing]) -> list[Question]:
    """The questions, also inside repeats, that tell of a person and go out as they were answered."""
    questions = [one.column.question for one in columns if one.mask is None]
    return [inner for question in questions for inner in (question, *_inside(question)) if inner.pii != "none"]


def _outgoing(column: Column, heading: str | None, mask: Mask | None, masks: Mapping[str, Mask]) -> Outgoing:
    shown = column if mask is None else masked(column, mask)
    treated = masks_inside(column.question, masks) if mask is None and column.type == "repeat" else {}
    if treated:
        shown = replace(shown, question=masked_inside(column.question, treated))
    return Outgoing(column, replace(shown, label=heading) if heading else shown, mask, treated or None)


def _inside(question: Question) -> Iterator[Question]:
    if question.type != "repeat":
        return
    for inner in answerable_of(question.questions):
        yield inner
        yield from _inside(inner)
