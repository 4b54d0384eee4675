"""Questions on their way from an export to a definition: keys and codes are made from labels, each only once."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from collect_pipelines.forms.faults import RESERVED_KEYS

__all__ = ["Draft", "questions_of", "slug_of"]

MAX_KEY = 40  # characters of a key made from a header; cut between words


@dataclass(slots=True)
class Draft:
    """One question before it has a key."""

    label: str
    fields: dict[str, Any]
    """`type` and what else the definition has but `key`, `label`, `choices` and `questions`."""
    why: str
    choices: Sequence[str] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    marked: Sequence[tuple[str, str]] = ()
    """For choices that have a column each: its name and what it holds when the choice is made."""
    inside: list["Draft"] = field(default_factory=list)
    key: str = ""

    def decisions(self) -> Iterator[str]:
        """One sentence for the question, then one for each inside."""
        yield f"{self.metadata.get('column', self.label)!r} ({self.key}): {self.why}"
        for draft in self.inside:
            yield from draft.decisions()


def questions_of(drafts: Sequence[Draft]) -> list[dict[str, Any]]:
    """The questions as a form file has them; gives every draft its key."""
    everyone = list(_walk(drafts))
    slugs = (slug_of(draft.label, MAX_KEY, f"question_{index}") for index, draft in enumerate(everyone, 1))
    for draft, key in zip(everyone, _distinct(slugs, RESERVED_KEYS, "q_"), strict=True):
        draft.key = key
    return [_question(draft) for draft in drafts]


def slug_of(text: str, most: int, fallback: str) -> str:
    """ASCII words joined by `_`, cut between words; the fallback when most of the text can't be said in ASCII."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain)
    slug = "_".join(words)
    letters = sum(character.isalnum() for character in text)
    if not slug or len(slug.replace("_", "")) * 2 < letters:
        return fallback
    return slug if len(slug) <= most else slug[: most + 1].rpartition("_")[0] or slug[:most]


def _walk(drafts: Iterable[Draft]) -> Iterator[Draft]:
    for draft in drafts:
        yield draft
        yield from _walk(draft.inside)


def _question(draft: Draft) -> dict[str, Any]:
    question: dict[str, Any] = {"key": draft.key, **({"label": draft.label} if draft.label else {}), **draft.fields}
    metadata = {"inferred": draft.why, **draft.metadata}
    if draft.choices:
        choices = _choices(draft.choices)
        question["choices"] = choices
        if draft.marked:
            metadata["columns"] = {choice["code"]: column for choice, (column, _) in zip(choices, draft.marked, strict=True)}
            marks = {choice["code"]: mark for choice, (_, mark) in zip(choices, draft.marked, strict=True) if mark != choice["label"]}
            metadata |= {"marks": marks} if marks else {}
    if draft.inside:
        question["questions"] = [_question(inner) for inner in draft.inside]
    return {**question, "metadata": metadata}


def _choices(labels: Sequence[str]) -> list[dict[str, str]]:
    codes = _distinct((slug_of(label, MAX_KEY, f"choice_{index}") for index, label in enumerate(labels, 1)), frozenset(), "")
    return [{"code": code, "label": label} for code, label in zip(codes, labels, strict=True)]


def _distinct(slugs: Iterable[str], reserved: frozenset[str], prefix: str) -> list[str]:
    """The slugs made different: of several equal ones the second ends in `_2`. prefix: for those that start with a digit."""
    found: list[str] = []
    taken = set(reserved)
    for slug in slugs:
        base = f"{prefix}{slug}" if slug[0].isdigit() else slug
        name, count = base, 1
        while name in taken:
            count += 1
            name = f"{base}_{count}"
        taken.add(name)
        found.append(name)
    return found
