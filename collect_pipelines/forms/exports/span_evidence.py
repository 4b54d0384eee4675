"""What several columns under one question are: options to choose from, rows of a matrix, or an answer beside one's own words."""

from collections.abc import Iterator, Sequence
from typing import Any

from collect_pipelines.forms.exports.column_evidence import ColumnEvidence, Decision, is_selectable
from collect_pipelines.forms.exports.draft import Draft
from collect_pipelines.forms.exports.header_rows import is_other
from collect_pipelines.forms.exports.list_evidence import MAX_CHOICES

__all__ = ["SpanEvidence", "single_draft"]

TICKS = frozenset({"1", "x", "X", "✓", "✔", "Yes", "yes", "YES", "TRUE", "True", "true", "Checked", "checked", "Selected", "selected"})
"""What tools write into the column of an option that was chosen, besides the option itself."""

SWITCHES = (("1", "0"), ("TRUE", "FALSE"), ("True", "False"), ("true", "false"), ("Checked", "Unchecked"), ("Selected", "Not Selected"))
"""What tools write for an option that was chosen, and for one that was not."""


class SpanEvidence:
    """What is known about the columns of one question after so many rows, in memory that does not grow with them."""

    def __init__(self, top: Sequence[str], below: Sequence[str], columns: Sequence[ColumnEvidence]) -> None:
        """top, below: the two header rows over these columns."""
        self._top, self._below, self._columns = tuple(top), tuple(below), tuple(columns)
        self._label = top[0]
        self._own = len(columns) - 1 if is_other(below[-1]) else None
        self._plain = range(len(columns) if self._own is None else self._own)
        self._partly = False
        """Some row has answers in some of the columns only."""
        self._own_alone = self._own_blank = False
        """Some row has own words and nothing else; some own words are white space."""
        self._beside: set[str] = set()
        """What the first column holds beside own words."""
        self._unaccompanied: set[str] = set()
        """What it holds without them."""

    def see(self, cells: Sequence[str]) -> None:
        """Takes the cells of one row into account."""
        filled = sum(1 for column in self._plain if cells[column])
        self._partly = self._partly or 0 < filled < len(self._plain)
        if self._own is None:
            return
        words = cells[self._own]
        if words:
            self._own_alone = self._own_alone or not filled
            self._own_blank = self._own_blank or not words.strip()
        known = self._beside if words else self._unaccompanied
        if len(known) <= MAX_CHOICES:
            known.add(cells[0])

    def drafts(self) -> Iterator[Draft]:
        """The question, or the questions, these columns become."""
        if len(self._plain) == 1:
            yield from self._one_and_own_words()
            return
        marks = self._marks()
        if marks is None:
            yield self._matrix()
            return
        chosen, unchosen = marks
        columns = [self._columns[place] for place in self._plain]
        keeps_own = self._own is not None and not self._own_blank and not (unchosen and self._own_alone)
        draft = Draft(
            self._label,
            {"type": "select_multiple", **({"other": True} if keeps_own else {})},
            f"select_multiple, because {len(columns)} columns hold {'1 or 0 or the like' if unchosen else 'their option or nothing'}",
            choices=[self._below[place] for place in self._plain],
            marked=[(column.name, mark) for column, mark in zip(columns, chosen, strict=True)],
        )
        if unchosen:
            draft.metadata["unchosen"] = unchosen
        if any(self._top[1:]):
            draft.metadata["header"] = list(self._top)
        yield draft
        if self._own is not None:
            yield from self._own_words(draft, keeps_own)

    def _own_words(self, draft: Draft, kept: bool) -> Iterator[Draft]:
        own = self._columns[self._own or 0]
        if kept:
            draft.metadata["other_column"] = own.name
            draft.metadata["other_label"] = self._below[-1]
            if "header" in draft.metadata and not draft.marked:
                draft.metadata["other_header"] = self._top[-1]
            draft.why += f", and {own.name!r} is for own words"
        else:
            why = "text, because not every one of its answers could be kept as own words of the question before"
            yield self._single(Decision({"type": "text"}, why), len(self._columns) - 1, self._below[-1])

    def _one_and_own_words(self) -> Iterator[Draft]:
        """A question with one column, and one for `Other (please specify)`."""
        first = self._columns[0]
        decision = first.decide()
        choices = [value for value in first.values or () if value in self._unaccompanied]
        kept = len(self._beside) <= 1 and not self._own_blank and self._is_choice(decision, choices)
        if kept:
            why = f"select_one, because its answers have {len(choices)} different values"
            decision = Decision({"type": "select_one", "choices": choices}, why)
        draft = self._single(decision, 0, self._label)
        if kept:
            draft.fields["other"] = True
            word = next(iter(self._beside), "")
            draft.metadata |= {"other_with": word} if word else {}
        yield draft
        yield from self._own_words(draft, kept)

    def _is_choice(self, decision: Decision, choices: Sequence[str]) -> bool:
        beside = next(iter(self._beside), "")
        values = self._columns[0].values
        answers = sum(values[value] for value in choices) if values is not None else 0
        return (decision.fields["type"] == "select_one" or bool(beside)) and is_selectable(choices, answers)

    def _marks(self) -> tuple[list[str], str] | None:
        """What each column holds when its option is chosen, and when it is not (blank: nothing); None when these are no options."""
        counts = [self._columns[place].values for place in self._plain]
        seen = [set(values) for values in counts if values is not None]
        if len(seen) < len(counts):
            return None
        together = set().union(*seen)
        for chosen, unchosen in SWITCHES:
            if unchosen in together and together <= {chosen, unchosen}:
                return None if self._partly else ([chosen] * len(seen), unchosen)
        if not together or any(len(values) > 1 for values in seen):
            return None
        tick = next(iter(together)) if len(together) == 1 else ""
        marks = []
        for values, option in zip(seen, self._below, strict=False):
            mark = next(iter(values), tick if tick in TICKS else option)
            if mark != option and not (mark in TICKS and mark == tick) and not option.endswith(mark):
                return None
            marks.append(mark)
        return marks, ""

    def rows(self) -> Iterator[Draft]:
        """The columns as questions of their own that share their choices, whatever happened to be answered in each."""
        decisions, _ = self._decided()
        for decision, column in zip(decisions, self._columns, strict=True):
            yield single_draft(decision, column, column.label)

    def _decided(self) -> tuple[list[Decision], list[str]]:
        """What each column becomes, and the choices they share."""
        decisions = [column.decide() for column in self._columns]
        shared = self._shared(decisions)
        if shared:
            for place in self._plain:
                why = f"select_one, because the rows of this question share {len(shared)} values"
                decisions[place] = Decision({"type": "select_one", "choices": shared}, why)
        if self._own is not None:
            decisions[self._own] = Decision({"type": "text"}, "text, because its header asks for own words")
        return decisions, shared

    def _matrix(self) -> Draft:
        decisions, shared = self._decided()
        inside = [self._single(decision, place, self._below[place]) for place, decision in enumerate(decisions)]
        what = "rows of a matrix" if shared else "parts of a question"
        return Draft(self._label, {"type": "group"}, f"group, because {len(decisions)} columns are {what}", inside=inside)

    def _shared(self, decisions: Sequence[Decision]) -> list[str]:
        """The choices all rows share; none when they are no choices, or have a type of their own."""
        columns = [self._columns[place] for place in self._plain]
        if any(decisions[place].fields["type"] not in ("select_one", "text") or decisions[place].format for place in self._plain):
            return []
        if any(column.values is None for column in columns):
            return []
        shared = list(dict.fromkeys(value for column in columns for value in column.values or ()))
        return shared if is_selectable(shared, sum(column.answers for column in columns)) else []

    def _single(self, decision: Decision, place: int, label: str) -> Draft:
        draft = single_draft(decision, self._columns[place], label)
        draft.metadata |= {"column": draft.metadata.get("column", label), "header": [self._top[place], self._below[place]]}
        return draft


def single_draft(decision: Decision, column: ColumnEvidence, label: str) -> Draft:
    """The question of one column."""
    fields = dict(decision.fields)
    choices = fields.pop("choices", ())
    metadata: dict[str, Any] = {"column": column.name} if column.name != label else {}
    if decision.format:
        metadata["format"] = dict(decision.format)
    return Draft(label, fields, decision.why, choices, metadata)
