"""What the cells of one column say about its question: a type is only decided on if every cell comes back as the identical text."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from collect_pipelines.forms.exports.cell_format import BooleanFormat
from collect_pipelines.forms.exports.list_evidence import MAX_CHOICE_LABEL, MAX_CHOICES, ListEvidence
from collect_pipelines.forms.exports.moment_format import MomentFormat, moment_formats
from collect_pipelines.forms.exports.number_format import EXACT_DIGITS, NumberFormat, number_formats, shape_of
from collect_pipelines.forms.value_rules import is_email, is_url
from collect_pipelines.rules.moments import read_date, read_datetime, read_time

__all__ = ["ColumnEvidence", "Decision", "Habits", "every", "is_selectable"]

ANSWERS_PER_CHOICE = 2  # on average at least so many answers share a value, else it is free text
MAX_SHAPES = 400  # a column of numbers has a few dozen; more are no numbers, or no format fits them
MAX_KNOWN = 4_000  # cells remembered as judged, so that dates that come again cost nothing

_INTEGER = re.compile(rf"-?[1-9][0-9]{{0,{EXACT_DIGITS - 1}}}|0")
_DECIMAL = re.compile(r"-?[0-9]+\.[0-9]+")
_PHONE = re.compile(r"\+?[(0-9][0-9 ()./-]{4,28}[0-9]")
_PHONE_DIGITS = range(6, 16)  # ITU-T E.164 allows 15
_PHONE_HEADER = re.compile(
    r"phone|mobile|\bcell\b|\btel\b|telefon|teléfono|telefone|téléphone|handy|whatsapp|\bmsisdn\b|फ़ोन|फोन|मोबाइल|मोबाईल|दूरभाष",
    re.IGNORECASE,
)

TRUE_FALSE = (
    *(("TRUE", "FALSE"), ("True", "False"), ("WAHR", "FALSCH"), ("VRAI", "FAUX"), ("VERDADERO", "FALSO"), ("VERDADEIRO", "FALSO")),
    *(("VERO", "FALSO"), ("WAAR", "ONWAAR"), ("SANT", "FALSKT"), ("PRAWDA", "FAŁSZ"), ("DOĞRU", "YANLIŞ")),
)
"""How spreadsheet programs write booleans in languages people work in."""

YES_NO = (
    *(("Yes", "No"), ("Y", "N"), ("Ja", "Nein"), ("J", "N"), ("Oui", "Non"), ("O", "N"), ("Sí", "No"), ("Si", "No"), ("Sim", "Não")),
    *(
        ("Sì", "No"),
        ("Ja", "Nee"),
        ("Ja", "Nej"),
        ("Tak", "Nie"),
        ("Evet", "Hay\u0131r"),
        ("Ndiyo", "Hapana"),
        ("Ya", "Tidak"),
        ("Có", "Không"),
    ),
    *(("हाँ", "नहीं"), ("हां", "नहीं"), ("होय", "नाही"), ("হ্যাঁ", "না"), ("نعم", "لا"), ("Да", "Нет"), ("ஆம்", "இல்லை"), ("అవును", "కాదు")),
)
"""Words for yes and no; also in small letters and in capitals."""


@dataclass(frozen=True, slots=True)
class Habits:
    """What the whole file says, or the person who infers, about how cells are written."""

    this_year: int
    zone: str = "UTC"
    """Where the clocks of times without a zone were."""
    delimiter: str = ","
    booleans: bool = False
    """Columns of yes and no become boolean; else they stay a choice, whose words sheets and tables show as they were."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a column becomes."""

    fields: dict[str, Any]
    """Of the question: `type`, and `choices` as labels in order."""
    why: str
    format: Mapping[str, Any] = field(default_factory=dict)
    """For `metadata.format`."""


def _is_integer(text: str) -> bool:
    return _INTEGER.fullmatch(text) is not None


def _is_decimal(text: str) -> bool:
    """Numbers that come out of a float, and of Postgres, as the same text."""
    return _is_integer(text) or (_DECIMAL.fullmatch(text) is not None and repr(float(text)) == text and float(text) != 0) or text == "0.0"


def _is_phone(text: str) -> bool:
    return _PHONE.fullmatch(text) is not None and sum(map(str.isdigit, text)) in _PHONE_DIGITS


_TYPES: dict[str, tuple[Callable[[str], bool], str]] = {
    "integer": (_is_integer, "a whole number"),
    "decimal": (_is_decimal, "a number"),
    "boolean": (lambda text: text in ("true", "false"), "true or false"),
    "date": (lambda text: read_date(text) is not None, "a date"),
    "time": (lambda text: read_time(text) is not None, "a time of day"),
    "datetime": (lambda text: read_datetime(text) is not None, "a time with its zone"),
    "email": (is_email, "an email address"),
    "url": (is_url, "a web address"),
    "phone": (_is_phone, "a phone number"),
    "+": (lambda text: text.startswith("+") and _is_phone(text), "a phone number with its country"),
}
"""From narrow to wide; each only takes what it gives back as the identical text. The last two also need a reason beyond their shape."""


class ColumnEvidence:
    """What is known about a column after so many rows, in memory that does not grow with them."""

    def __init__(self, name: str, label: str, habits: Habits) -> None:
        self.name = name
        self.label = label
        self.answers = 0
        self.values: Counter[str] | None = Counter()
        """The different values and how often they come; None when there are too many for a list of choices."""
        self._habits = habits
        self._types = dict(_TYPES)
        self._miss: tuple[int, bool, str] | None = None
        """The best guess that some answer refuted: after how many that fit, whether white space refuted it, and what it was."""
        self._moments: list[MomentFormat] | None = None
        self._shapes: dict[str, str] | None = {}
        self._lists: ListEvidence | None = None
        self._known: set[str] = set()

    def see(self, cell: str) -> None:
        """Takes one cell that is not blank into account."""
        self.answers += 1
        values = self.values
        if values is not None:
            values[cell] += 1
            if values[cell] > 1:
                return  # judged before
            if len(values) > MAX_CHOICES or len(cell) > MAX_CHOICE_LABEL:
                self._overflow(values)
        elif self._lists is not None:
            self._lists.see(cell)
            self._lists = self._lists if self._lists.possible else None
        if cell in self._known:
            return
        if len(self._known) < MAX_KNOWN:
            self._known.add(cell)
        self._judge(cell)

    def decide(self) -> Decision:
        """The question's type, choices and format, and why."""
        if not self.answers:
            return Decision({"type": "text"}, "text, because no row has an answer")
        return next(self._decisions())

    def options(self) -> list[str]:
        """The different values in the order they first came; none when they are no choices."""
        return list(self.values) if is_selectable(self.values, self.answers) and self.values is not None else []

    def _overflow(self, values: Counter[str]) -> None:
        self.values, self._lists = None, ListEvidence()
        for value, times in values.items():
            self._lists.see(value, times)

    def _judge(self, cell: str) -> None:
        for name in [name for name, (fits, _) in self._types.items() if not fits(cell)]:
            fits, words = self._types.pop(name)
            if name not in ("phone", "+"):  # many things look like a phone number
                self._missed(words, spaced=cell != cell.strip() and fits(cell.strip()))
        if self._moments is None:
            self._moments = list(moment_formats(cell, self._habits.this_year, self._habits.zone))
        if self._moments:
            before, self._moments = self._moments, [one for one in self._moments if one.fits(cell)]
            if not self._moments:
                self._missed(f"written {before[0].pattern}", spaced=any(one.fits(cell.strip()) for one in before))
        if self._shapes is not None:
            shape = shape_of(cell)
            if shape is None or len(self._shapes) > MAX_SHAPES:
                self._shapes = None
            else:
                self._shapes.setdefault(shape, cell)

    def _missed(self, words: str, *, spaced: bool) -> None:
        before = self.answers - 1
        if (before or spaced) and (self._miss is None or (before, spaced) > self._miss[:2]):
            self._miss = before, spaced, words

    def _near_miss(self) -> str:
        if self._miss is None:
            return ""
        before, spaced, words = self._miss
        refuted = "only without the white space around it" if spaced else "not"
        if not before:
            return f"; the first one is {words}, but {refuted}"
        return f"; {'the first one' if before == 1 else f'each of the first {before}'} is {words}, and the next one {refuted}"

    def _decisions(self) -> Iterator[Decision]:
        """What may be decided, the best first; text is always possible."""
        if "phone" in self._types and (_PHONE_HEADER.search(self.label) or "+" in self._types):
            because = "has its country" if "+" in self._types else "looks like a phone number, and so does the header"
            yield Decision({"type": "phone"}, f"phone, because {every(self.answers, '')}{because}")
        for name, (_, words) in self._types.items():
            if name in ("decimal", "integer") and self._thousands_of_other_countries():
                yield Decision({"type": "text"}, "text, because 1.234 may be 1.234 or 1234 here, and no answer tells which")
            if name not in ("phone", "+"):
                yield Decision({"type": name}, f"{name}, because {every(self.answers)}{words}")
        yield from self._boolean()
        yield from self._moment()
        yield from self._number()
        yield from self._select()
        yield Decision({"type": "text"}, f"text, because the answers differ too much for a list of choices{self._near_miss()}")

    def _boolean(self) -> Iterator[Decision]:
        yes_no = [(change(yes), change(no)) for yes, no in YES_NO for change in (str, str.lower, str.upper)]
        for true, false in (*TRUE_FALSE, *(yes_no if self._habits.booleans else ())):
            if self.values is not None and self.values.keys() <= {true, false}:
                words = BooleanFormat(true, false).as_metadata()
                yield Decision({"type": "boolean"}, f"boolean, because {every(self.answers)}{true} or {false}", words)

    def _moment(self) -> Iterator[Decision]:
        if not self._moments:
            return
        best = self._moments[0]
        others = {one.order: one.pattern for one in reversed(self._moments)}
        if len(others) > 1:
            first, second = sorted(others.values())[:2]
            known = f"if you know it, write `type: {best.kind}` and `metadata: {{format: {{{best.kind}: {first}}}}}`"
            yield Decision({"type": "text"}, f"text, because no answer tells whether it is written {first} or {second}; {known}")
        why = f"{every(self.answers)}written {best.pattern}"
        if sorted(best.order[:2]) == ["D", "M"] and "MMM" not in best.pattern:
            why += ", and the other order of day and month does not fit them all"
        if best.first_year is not None:
            why += f"; two digits of a year mean {best.first_year} to {best.first_year + 99}"
        if best.kind == "datetime":
            why += f"; the export names no time zone, {best.zone} is assumed: correct `zone` in the format if that is wrong"
        yield Decision({"type": best.kind}, f"{best.kind}, because {why}", best.as_metadata())

    def _number(self) -> Iterator[Decision]:
        readings = self._readings()
        if len(readings) > 1:
            plain = [cell for cell in self._shapes or {} if not re.search(r"[0-9][.,'\u2019\s][0-9]", cell)]
            grouped = {numbers: found for numbers, found in readings.items() if found.thousands and found.decimals is None}
            if not plain or len(grouped) != 1:
                yield Decision(
                    {"type": "text"}, "text, because the separators may be of thousands or of decimals, and no answer tells which"
                )
                return
            readings = grouped
        for numbers, found in readings.items():
            kind = "integer" if all(type(number) is int for number in numbers) else "decimal"
            facts = found.as_metadata()
            if not facts:
                return  # a plain number that a float, or Postgres, writes otherwise
            written = ", ".join(f"{name} {value!r}" for name, value in facts.items())
            yield Decision({"type": kind}, f"{kind}, because {every(self.answers)}a number written with {written}", facts)

    def _readings(self) -> dict[tuple[int | float, ...], NumberFormat]:
        """What the numbers may be, each reading with the simplest format that gives every cell back."""
        witnesses = list((self._shapes or {}).values())
        found: dict[tuple[int | float, ...], NumberFormat] = {}
        for candidate in sorted(number_formats(max(witnesses, key=len)), key=lambda one: one.simplicity) if witnesses else ():
            numbers = [candidate.read(cell) for cell in witnesses]
            if all(number is not None and candidate.write(number) == cell for number, cell in zip(numbers, witnesses, strict=True)):
                found.setdefault(tuple(number for number in numbers if number is not None), candidate)
        return found

    def _thousands_of_other_countries(self) -> bool:
        """In files cut by `;`, as office programs write them where the comma is the decimal mark: 1.234 may be a thousand."""
        if self._habits.delimiter != ";" or "integer" in self._types:
            return False
        return any(found.thousands == "." for found in self._readings().values())

    def _select(self) -> Iterator[Decision]:
        lists = self._lists
        if self.values is not None:
            lists = ListEvidence()
            for value, times in self.values.items():
                lists.see(value, times)
        best = lists.best() if lists is not None else None
        if best is not None:
            format_, options = best
            why = f"{self.answers} answers are lists of {len(options)} options with {format_.separator!r} between them"
            fields = {"type": "select_multiple", "choices": options}
            yield Decision(fields, f"select_multiple, because {why}", format_.as_metadata())
        if is_selectable(self.values, self.answers):
            assert self.values is not None
            why = f"select_one, because {self.answers} answers have {len(self.values)} different values"
            yield Decision({"type": "select_one", "choices": list(self.values)}, why)


def is_selectable(values: Iterable[str] | None, answers: int) -> bool:
    """Whether so many answers with these different values look chosen from a list."""
    found = list(values) if values is not None else []
    return 0 < len(found) <= MAX_CHOICES and len(found) * ANSWERS_PER_CHOICE <= answers and all(value.strip() for value in found)


def every(count: int, verb: str = "is ") -> str:
    """`every one of 12 answers is `."""
    return f"the only answer {verb}" if count == 1 else f"every one of {count} answers {verb}"
