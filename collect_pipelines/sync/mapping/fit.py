"""Whether a mapping fits its form and its kind of destination; every misfit with what to do."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from collect_pipelines.destinations.interface import Destination
from collect_pipelines.errors import RuleInvalid
from collect_pipelines.forms.columns import Column, Mask
from collect_pipelines.sync.mapping.columns import by_any_key, every_question, outgoing
from collect_pipelines.sync.mapping.filtering import read_filter
from collect_pipelines.sync.mapping.masks import masks_of
from collect_pipelines.sync.mapping.model import RESPONDENT, MappingConfig

__all__ = ["Misfit", "closest", "misfits"]

MOST_NAMES = 12  # keys listed when none is close


@dataclass(frozen=True, slots=True)
class Misfit:
    """One field of a mapping that can't be used."""

    field: str
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}; {self.fix}"


def misfits(mapping: MappingConfig, columns: Sequence[Column], kind: type[Destination], zone: str) -> list[Misfit]:
    """What is wrong with the mapping. columns: those of all versions. zone: whose day `today()` is in the filter."""
    return [*_filter(mapping, columns, zone), *_columns(mapping, columns), *_masks(mapping, columns), *_kind(mapping, kind)]


def _filter(mapping: MappingConfig, columns: Sequence[Column], zone: str) -> Iterator[Misfit]:
    if mapping.filter is None:
        return
    try:
        read_filter(mapping.filter, columns, zone)
    except RuleInvalid as exc:
        for problem in exc.problems:
            yield Misfit("filter", f"column {problem.column}: {problem.message}", problem.fix)


def _columns(mapping: MappingConfig, columns: Sequence[Column]) -> Iterator[Misfit]:
    named = {"columns": [one.question for one in mapping.columns or ()], "exclude": list(mapping.exclude)}
    found = [misfit for field, keys in named.items() for misfit in _named(field, keys, by_any_key(columns))]
    for key in (key for key in named["columns"] if key in mapping.exclude):
        found.append(Misfit("exclude", f"`{key}` is also among `columns`", "take it out of one of the two"))
    if not found and not outgoing(mapping, columns):
        found.append(Misfit("columns", "no column is left", "let at least one question go out"))
    yield from found


def _named(field: str, keys: Sequence[str], known: Mapping[str, Column]) -> Iterator[Misfit]:
    firsts: set[str] = set()
    for key in keys:
        if key not in known:
            yield Misfit(field, f"the form has no question `{key}` of its own", closest(key, known))
        elif known[key].key in firsts:
            yield Misfit(field, f"`{key}` is named twice", "name it once")
        else:
            firsts.add(known[key].key)


def _masks(mapping: MappingConfig, columns: Sequence[Column]) -> Iterator[Misfit]:
    known, firsts = every_question(columns), dict[str, str]()
    for key, mask in mapping.masks.items():
        if key == RESPONDENT:
            if mask == "year":
                yield Misfit("masks", f"`{RESPONDENT}` has no year", "use drop, hash or last4")
        elif key not in known:
            yield Misfit("masks", f"the form has no question `{key}`", closest(key, (*known, RESPONDENT)))
        elif (first := firsts.setdefault(known[key].key, key)) != key:
            yield Misfit("masks", f"`{first}` and `{key}` are the same question", "name it once; `--mask KEY=none` takes the other away")
        else:
            yield from _mask(key, known[key].type, mask)


def _mask(key: str, question_type: str, mask: Mask) -> Iterator[Misfit]:
    possible = masks_of(question_type)
    if mask not in possible:
        why = "has no year" if mask == "year" else "has no last four characters that mean something"
        yield Misfit("masks", f"`{key}` ({question_type}) {why}", f"use {', '.join(possible[:-1])} or {possible[-1]}")


def _kind(mapping: MappingConfig, kind: type[Destination]) -> Iterator[Misfit]:
    if mapping.mode == "append_only" and "append" not in kind.supports:
        yield Misfit("mode", f"{kind.kind} can't keep every revision as a row of its own", "leave out append_only")
    if mapping.on_delete is None or mapping.on_delete == "ignore":
        return
    if mapping.on_delete not in kind.deletes:
        known = ", ".join((*kind.deletes, "ignore"))
        yield Misfit("on_delete", f"{kind.kind} does not know `{mapping.on_delete}`", f"use one of: {known}")
    elif mapping.mode == "append_only" and mapping.on_delete != "tombstone":
        yield Misfit("on_delete", f"`{mapping.on_delete}` would change rows that append_only keeps", "use tombstone or ignore")


def closest(key: str, known: Iterable[str]) -> str:
    """What may be meant by a name that is none of the known ones, as a fix."""
    names = list(known)
    close = get_close_matches(key, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean `{close[0]}`?"
    more = ", ..." if len(names) > MOST_NAMES else ""
    return f"it has {', '.join(names[:MOST_NAMES])}{more}"
