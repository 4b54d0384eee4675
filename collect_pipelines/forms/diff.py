"""What a new version of a form changes, question by question, and what that means for sheets and tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collect_pipelines.forms.columns import first_key
from collect_pipelines.forms.compatibility import problems_of
from collect_pipelines.forms.definition import FormDefinition, FormRule, Question, label_in
from collect_pipelines.forms.question_changes import Change, Direction, label_changes, question_changes, shown

__all__ = ["Change", "Difference", "compare"]

PATH = " / "  # between the groups around a question


@dataclass(frozen=True, slots=True)
class Difference:
    """Everything that changed, in the order of the new form."""

    changes: tuple[Change, ...]
    refused: tuple[str, ...]
    """What publishing would refuse, each with what to do; empty when it may be published."""
    destinations: tuple[str, ...]
    """What sheets and tables will show, in plain words."""


@dataclass(frozen=True, slots=True)
class _Placed:
    question: Question
    path: tuple[str, ...]
    """First keys of the groups and repeats around it."""


def compare(old: FormDefinition, new: FormDefinition, earlier: Sequence[FormDefinition] | None = None) -> Difference:
    """
    The changes from `old` to `new`.

    earlier: all versions published before `new`, oldest first, when there are more than `old`: a key may have been used before it.
    """
    changes = (*_form(old, new), *_questions(old, new), *_rules(old, new), *_checks(old, new))
    return Difference(changes, tuple(problems_of([old] if earlier is None else earlier, new)), tuple(_destinations(old, new, changes)))


def _form(old: FormDefinition, new: FormDefinition) -> Iterator[Change]:
    if old.form != new.form:
        yield Change("form.name", "form", f"name `{old.form}` -> `{new.form}`: another form", refused=True)
    yield from label_changes("form.title", "form", "title", old.title, new.title)
    for language in dict.fromkeys((*old.languages, *new.languages)):
        if (language in old.languages) != (language in new.languages):
            yield Change("form.languages", "form", f"language {language} {'added' if language in new.languages else 'removed'}")
    if old.languages != new.languages and set(old.languages) == set(new.languages):
        yield Change("form.languages", "form", f"order of languages: {', '.join(new.languages)}")
    if old.unique_by != new.unique_by:
        direction: Direction | None = "stricter" if old.unique_by is None else "looser" if new.unique_by is None else None
        yield Change("form.unique_by", "form", f"unique_by: {shown(old.unique_by)} -> {shown(new.unique_by)}", direction)
    if old.timezone != new.timezone:
        yield Change("form.timezone", "form", f"timezone: {old.timezone} -> {new.timezone}; it decides which day today() is")
    if old.deadline_ms != new.deadline_ms:
        yield Change("form.deadline_ms", "form", f"deadline_ms: {old.deadline_ms} -> {new.deadline_ms}")
    if old.metadata != new.metadata:
        yield Change("form.metadata", "form", "metadata changed")


def _questions(old: FormDefinition, new: FormDefinition) -> Iterator[Change]:
    before, now = _placed(old), _placed(new)
    for first, placed in now.items():
        question = placed.question
        if first not in before:
            yield Change("question.added", question.key, _added(question), "stricter" if question.required else None)
            continue
        was = before[first]
        if was.question.key != question.key:
            yield Change("question.renamed", question.key, f"renamed from `{was.question.key}`, the same question")
        if was.path != placed.path:
            yield Change("question.moved", question.key, f"moved: {_path(was)} -> {_path(placed)}")
        yield from question_changes(was.question, question)
    for first, placed in before.items():
        if first not in now:
            yield _removed(placed.question)
    if [first for first in before if first in now] != [first for first in now if first in before]:
        yield Change("question.order", "form", "questions in another order")


def _placed(definition: FormDefinition) -> dict[str, _Placed]:
    found: dict[str, _Placed] = {}

    def visit(questions: Sequence[Question], path: tuple[str, ...]) -> None:
        for question in questions:
            first = first_key(question)
            found[first] = _Placed(question, path)
            visit(question.questions, (*path, first))

    visit(definition.questions, ())
    return found


def _added(question: Question) -> str:
    label = label_in(question.label, None)
    return f"added: {question.type}{f' {shown(label)}' if label else ''}{', required' if question.required else ''}"


def _removed(question: Question) -> Change:
    if question.type in ("note", "group"):
        return Change("question.removed", question.key, f"{question.type} removed")
    text = "removed; keep it with `retired:`, or name it under `was:` of the question that continues it"
    return Change("question.removed", question.key, text, refused=True)


def _path(placed: _Placed) -> str:
    return PATH.join(placed.path) or "top"


def _rules(old: FormDefinition, new: FormDefinition) -> Iterator[Change]:
    before, now = ({rule.name: rule for rule in form.rules} for form in (old, new))
    for name, rule in now.items():
        if name not in before:
            yield Change("rule.added", name, f"rule added ({rule.severity}): {_says(rule)}", "stricter")
        elif before[name] != rule:
            yield from _rule(before[name], rule)
    for name, rule in before.items():
        if name not in now:
            yield Change("rule.removed", name, f"rule removed: {_says(rule)}", "looser")


def _rule(old: FormRule, new: FormRule) -> Iterator[Change]:
    for field in type(new).model_fields:
        before, now = getattr(old, field), getattr(new, field)
        if before == now:
            continue
        if field == "message":
            yield from label_changes("rule.message", new.name, "message", before, now)
            continue
        text = f"{field}: {shown(_plain(before))} -> {shown(_plain(now))}"
        yield Change("rule.changed", new.name, text, _direction(field, before, now))


_ORDERED = {"severity": ("note", "flag", "reject"), "on_missing": ("skip", "fail"), "placement": ("batch", "ingest")}
"""Values of fields from loose to strict."""


def _direction(field: str, before: Any, now: Any) -> Direction | None:
    order = _ORDERED.get(field)
    if order is None:
        return None
    return "stricter" if order.index(now) > order.index(before) else "looser"


def _says(rule: FormRule) -> str:
    return f"{rule.kind} {shown(_plain(getattr(rule, rule.kind)))}"


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(exclude_none=True)
    return ", ".join(value) if isinstance(value, tuple) else value


def _checks(old: FormDefinition, new: FormDefinition) -> Iterator[Change]:
    for name, settings in new.checks.items():
        if name not in old.checks:
            yield Change("check.added", name, "check added", "stricter")
            continue
        before = old.checks[name]
        for field in ("on_error", "timeout_ms"):
            if getattr(before, field) != getattr(settings, field):
                yield Change("check.changed", name, f"{field}: {getattr(before, field)} -> {getattr(settings, field)}")
        yield from _config(name, before.config, settings.config)
    for name in old.checks:
        if name not in new.checks:
            yield Change("check.removed", name, "check removed", "looser")


def _config(check: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            yield Change("check.changed", check, f"config.{name}: {shown(old.get(name))} -> {shown(new.get(name))}")


def _destinations(old: FormDefinition, new: FormDefinition, changes: Sequence[Change]) -> Iterator[str]:
    """Columns are never renamed, moved or removed: what is said here follows from `columns.layout`."""
    known = {first_key(question) for question in old.answerable}
    added = [question.key for question in new.answerable if first_key(question) not in known]
    if added:
        columns = "one new column" if len(added) == 1 else f"{len(added)} new columns"
        names = ", ".join(f"`{key}`" for key in added)
        yield f"Sheets and tables get {columns} after the last one: {names}. Rows that are there already stay empty in it."
    else:
        yield "Sheets and tables get no new column."
    kinds = {change.kind for change in changes}
    if "question.renamed" in kinds:
        yield "A renamed question stays in its column, whose name and heading don't change."
    if "question.retired" in kinds:
        yield "The column of a retired question stays, with the answers it has."
    if "question.label" in kinds:
        yield "A reworded label changes no column; the heading that a sheet already has stays as it is."
    yield "No column is renamed, moved or removed. Responses of earlier versions are still taken, under the rules of their version."
