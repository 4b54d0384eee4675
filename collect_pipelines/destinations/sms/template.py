"""Texts with `{fields}`: a grammar of its own, so that nothing in a text or an answer is ever evaluated."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

__all__ = ["FACTS", "Field", "Form", "Template", "TemplateFault", "read_template", "unknown_field"]

FACTS = ("form", "id", "date", "time")
"""What a text can say of the response itself: title of the form, id, day and time of receipt."""

Form = Literal["answer", "code", "question"]
"""An answer as people read it (a choice by its label), the code of a choice, or the question's own words."""

FORMS: tuple[Form, ...] = ("answer", "code", "question")
MOST_NAMES = 12  # fields listed when none is close

_PART = re.compile(r"\{\{|\}\}|\{[^{}]*\}|[{}]|[^{}]+")
_FIELD = re.compile(r"\s*([^\s:{}]+)\s*(?::\s*([a-z]+)\s*)?")


class TemplateFault(ValueError):
    """A text that can't be used; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Field:
    """One `{name}` or `{name:form}`."""

    name: str
    form: Form | None = None
    """None: a fact of the response where there is one of this name, else the answer."""

    @property
    def fact(self) -> bool:
        """Whether it tells of the response and not of an answer."""
        return self.form is None and self.name in FACTS

    def __str__(self) -> str:
        return f"{{{self.name}:{self.form}}}" if self.form else f"{{{self.name}}}"


@dataclass(frozen=True, slots=True)
class Template:
    """A text in pieces: what is said as it is, and what is filled in."""

    parts: tuple[str | Field, ...]

    @property
    def fields(self) -> tuple[Field, ...]:
        """Each field once, in the order they come."""
        return tuple(dict.fromkeys(part for part in self.parts if isinstance(part, Field)))

    def filled(self, value: Callable[[Field], str]) -> str:
        """The text; what `value` returns is put in as it is, also when it looks like a field."""
        return "".join(value(part) if isinstance(part, Field) else part for part in self.parts)


def read_template(text: str) -> Template:
    """
    The template of a text. `{{` and `}}` are braces. Raises TemplateFault.

    >>> read_template("Thank you, {name}!").fields
    (Field(name='name', form=None),)
    """
    parts: list[str | Field] = []
    for found in _PART.finditer(text):
        piece = found[0]
        if piece in ("{{", "}}"):
            parts.append(piece[0])
        elif piece in ("{", "}"):
            raise TemplateFault(f"character {found.start() + 1}: `{piece}` stands alone; write {{{{ or }}}} for a brace")
        elif piece.startswith("{"):
            parts.append(_field(piece[1:-1], found.start() + 1))
        else:
            parts.append(piece)
    return Template(tuple(parts))


def unknown_field(field: Field, questions: Iterable[str]) -> str:
    """Why a field can't be filled in, and what was meant perhaps."""
    names = [*questions, *FACTS]
    close = get_close_matches(field.name, names, n=1, cutoff=0.5)
    if close:
        return f"`{field}` names no question; did you mean `{{{close[0]}}}`?"
    more = ", ..." if len(names) > MOST_NAMES else ""
    return f"`{field}` names no question; there are {', '.join(names[:MOST_NAMES])}{more}"


def _field(inside: str, place: int) -> Field:
    read = _FIELD.fullmatch(inside)
    if read is None:
        raise TemplateFault(f"character {place}: `{{{inside}}}` is no field; write {{question}} or {{question:code}}")
    name, form = read[1], read[2]
    if form is None:
        return Field(name)
    for known in FORMS:
        if form == known:
            return Field(name, known)
    raise TemplateFault(f"character {place}: `:{form}` is not known; use one of {', '.join(FORMS)}")
