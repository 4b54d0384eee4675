"""A log of responses as a form's would be, and the batches the core would make of it: rendered by the core's own code."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from collect_pipelines.destinations.interface import META_COLUMNS, Batch, Column
from collect_pipelines.forms.columns import layout
from collect_pipelines.forms.definition import FormDefinition, label_in
from collect_pipelines.model import Operation
from collect_pipelines.testing.samples import sample_answers

if TYPE_CHECKING:
    import polars

__all__ = ["Entry", "SampleLog", "again", "mark_of", "marks_in", "response_id"]

STARTED = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
NEW_QUESTION = "a_new_one"
MARK = re.compile(r"mark(\d+)r(\d+)x")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the log: a revision of response number `number`."""

    position: int
    number: int
    revision: int
    operation: Operation
    answers: Mapping[str, Any]

    @property
    def response_id(self) -> str:
        """Its response."""
        return response_id(self.number)

    @property
    def mark(self) -> str:
        """What stands in its text, and in no other entry's."""
        return mark_of(self.number, self.revision)


def response_id(number: int) -> str:
    """The id of response number `number`."""
    return f"00000000-0000-4000-8000-{number:012d}"


def mark_of(number: int, revision: int) -> str:
    """What stands in the text of this revision and nowhere else."""
    return f"mark{number}r{revision}x"


def marks_in(text: str) -> Iterator[tuple[int, int]]:
    """Number and revision of every entry whose text is, or was put, into this text."""
    for found in MARK.finditer(text):
        yield int(found[1]), int(found[2])


@dataclass
class SampleLog:
    """Entries of one form, in the order in which they were made."""

    form: FormDefinition
    marked: str
    """Key of the text question that holds the marks."""
    values: str
    integration_id: int = 1
    reference: str = "every_type"
    entries: list[Entry] = field(default_factory=list)
    rendered: dict[Any, Any] = field(default_factory=dict)
    """Columns and frames made before, which logs of one form may share: scenarios begin alike."""
    new_question: bool = False
    """True: the form has one question more than at first."""
    batches: int = 0

    def create(self, text: str = "Asha came on Tuesday", **answers: Any) -> Entry:
        """A new response. Its text is marked, its phone numbers are nobody else's."""
        number = 1 + max((entry.number for entry in self.entries), default=0)
        return self._add(number, 1, "create", text, answers)

    def edit(self, entry: Entry, text: str = "Asha came on Monday", **answers: Any) -> Entry:
        """The next revision of the response."""
        return self._add(entry.number, self._revision(entry) + 1, "edit", text, {**answers})

    def delete(self, entry: Entry) -> Entry:
        """The response is deleted."""
        return self._append(entry.number, self._revision(entry) + 1, "delete", {})

    def ask_more(self) -> None:
        """A new version of the form, with one more question."""
        self.new_question = True

    def batch(self, entries: Sequence[Entry], *, number: int | None = None, **more: Any) -> Batch:
        """The batch of these entries, in position order; `more` are further fields of it."""
        self.batches += 1
        return self._batch(sorted(entries, key=lambda entry: entry.position), number or self.batches, more)

    def _revision(self, entry: Entry) -> int:
        return max(one.revision for one in self.entries if one.number == entry.number)

    def _add(self, number: int, revision: int, operation: Operation, text: str, answers: Mapping[str, Any]) -> Entry:
        _, ordinary = next(sample_answers(self.form))
        given = {**ordinary, **{question.key: f"+9198450{number:05d}" for question in self.form.answerable if question.type == "phone"}}
        given |= {self.marked: f"{mark_of(number, revision)} {text}", **answers}
        if self.new_question:
            given[NEW_QUESTION] = f"new {mark_of(number, revision)}"
        return self._append(number, revision, operation, given)

    def _append(self, number: int, revision: int, operation: Operation, answers: Mapping[str, Any]) -> Entry:
        entry = Entry(len(self.entries) + 1, number, revision, operation, answers)
        self.entries.append(entry)
        return entry

    def _batch(self, entries: Sequence[Entry], number: int, more: Mapping[str, Any]) -> Batch:
        columns = self.columns()
        text = _csv(entries, columns, 1 + self.new_question)
        return Batch(
            form=self.reference,
            form_title=label_in(self.form.title, self.form.languages[0], self.reference),
            integration_id=self.integration_id,
            batch_no=number,
            from_position=entries[0].position,
            to_position=entries[-1].position,
            digest=sha256(text).hexdigest(),
            columns=columns,
            frame=self._frame(text, columns),
            **{"language": self.form.languages[0], **more},
        )

    def _frame(self, text: bytes, columns: tuple[Column, ...]) -> "polars.DataFrame":
        from collect_pipelines.sync.rendering import display_frame, typed_frame

        if text not in self.rendered:
            render = display_frame if self.values == "display" else typed_frame
            self.rendered[text] = render(text, columns, self.form.languages[0])
        return self.rendered[text].clone()  # type: ignore[no-any-return] # a destination may do what it should not with its own

    def columns(self) -> tuple[Column, ...]:
        """The columns of every version so far."""
        if self.new_question not in self.rendered:
            self.rendered[self.new_question] = layout(self._versions(), self.form.languages[0])
        found: tuple[Column, ...] = self.rendered[self.new_question]
        return found

    def _versions(self) -> list[FormDefinition]:
        if not self.new_question:
            return [self.form]
        more = {"key": NEW_QUESTION, "type": "text", "label": {"en": "A new one", "hi": "एक नया"}}
        plain = self.form.model_dump(mode="json", exclude_defaults=True)
        return [self.form, FormDefinition.model_validate({**plain, "questions": [*plain["questions"], more]})]


def again(batch: Batch, attempt: int) -> Batch:
    """The same batch as it comes after a failure."""
    return replace(batch, attempt=attempt)


def _csv(entries: Sequence[Entry], columns: Sequence[Column], version: int) -> bytes:
    lines = [",".join([*META_COLUMNS, *(f"k{place}" for place in range(len(columns)))])]
    for entry in entries:
        made, received = ((STARTED + timedelta(minutes=entry.position, seconds=later)).isoformat() for later in (0, 1))
        meta = [entry.position, entry.response_id, entry.revision, entry.operation, version, made, received, "api", "someone"]
        lines.append(",".join(map(_quoted, [*map(str, meta), *(_text(entry.answers.get(column.key)) for column in columns)])))
    return "\n".join(lines).encode()


def _quoted(text: str | None) -> str:
    """As Postgres writes CSV: nothing is null, two quotes are an empty text."""
    return "" if text is None else '"{}"'.format(text.replace('"', '""'))


def _text(value: Any) -> str | None:
    """As Postgres gives an answer as text."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
