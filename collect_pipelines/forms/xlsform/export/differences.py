"""What a workbook does not say of a definition: found by reading it back, to be written into our own sheet."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from collect_pipelines.forms.xlsform.sheets.own_sheet import Additions

__all__ = ["add_differences"]

Document = dict[str, Any]


def add_differences(additions: Additions, read: Document, wanted: Document, wanted_questions: Mapping[str, Document], plain: Any) -> None:
    """
    Adds everything by which a definition read from a workbook differs from the one that was written.

    read, wanted: as form files have them. wanted_questions: by path, without what is inside. plain: an expression without the freedom of
    writing it.
    """
    for name in _differing(read, wanted):
        if name not in ("questions", "rules"):
            additions.form[name] = _value(name, read, wanted)
    for path, found in _by_path(read["questions"], "", wanted_questions):
        _add_question(additions, path, found, wanted_questions[path])
    if not _same(read.get("rules", []), wanted.get("rules", [])):
        additions.rules = _rules(read.get("rules", []), wanted.get("rules", []), plain)


def _by_path(questions: Sequence[Document], inside: str, wanted: Mapping[str, Document]) -> list[tuple[str, Document]]:
    """Questions with their paths; the keys read back are those wanted, since the keys were given along."""
    paths = {one["key"]: path for path, one in wanted.items() if path.rpartition("/")[0] == inside}
    found: list[tuple[str, Document]] = []
    for question in questions:
        path = paths[question["key"]]
        found.append((path, question))
        found += _by_path(question.get("questions", ()), path, wanted)
    return found


def _add_question(additions: Additions, path: str, read: Document, wanted: Document) -> None:
    changes: dict[str, Any] = {}
    for name in _differing(read, wanted):
        if name == "choices" and read.get("choices") and wanted.get("choices"):
            codes = _choices(read["choices"], wanted["choices"])
            if codes is not None:
                additions.choices[path] = codes
                continue
        if name not in ("questions", "key", "type"):
            changes[name] = _value(name, read, wanted)
    if changes:
        additions.questions.setdefault(path, {}).update(changes)


def _value(name: str, read: Document, wanted: Document) -> Any:
    """The value to put over what is read: of metadata only the author's own part when ours came back."""
    value = wanted.get(name)
    if (
        name == "metadata"
        and isinstance(value, dict)
        and "xlsform" in value
        and _same(value["xlsform"], read.get("metadata", {}).get("xlsform"))
    ):
        return {key: item for key, item in value.items() if key != "xlsform"}
    if name == "metadata" and "xlsform" in read.get("metadata", {}) and "xlsform" not in (value or {}):
        return {**(value or {}), "xlsform": None}
    return value


def _choices(read: Sequence[Document], wanted: Sequence[Document]) -> dict[str, dict[str, Any]] | None:
    """Changes by code; None when the choices came back in another order."""
    by_code = {choice["code"]: choice for choice in read}
    kept = [choice["code"] for choice in wanted if choice["code"] in by_code]
    if kept != list(by_code):
        return None
    changes: dict[str, dict[str, Any]] = {}
    for index, choice in enumerate(wanted):
        known = by_code.get(choice["code"])
        if known is None:
            changes[choice["code"]] = {**{name: value for name, value in choice.items() if name != "code"}, "at": index}
        elif names := _differing(known, choice):
            changes[choice["code"]] = {name: choice.get(name) for name in names}
    return changes


def _rules(read: Sequence[Document], wanted: Sequence[Document], plain: Any) -> list[Document]:
    left = {rule["name"]: rule for rule in read}
    found: list[Document] = []
    for rule in wanted:
        like = next(
            (name for name, one in left.items() if "expression" in rule and plain(one["expression"]) == plain(rule["expression"])), None
        )
        if like is None:
            found.append(rule)
            continue
        known = left.pop(like)
        changes = {name: rule.get(name) for name in _differing(known, rule)}
        found.append({"like": like, "set": changes} if changes else {"like": like})
    return [{"drop": name} for name in left] + found


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return [name for name in {**one, **other} if (name in one) != (name in other) or not _same(one.get(name), other.get(name))]


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: 5 and 5.0 are not."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
