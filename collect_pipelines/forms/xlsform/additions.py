"""What our own sheet adds, put over what the other sheets of a workbook say."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from collect_pipelines.forms.faults import Place
from collect_pipelines.forms.xlsform.findings import Cell, Findings
from collect_pipelines.forms.xlsform.own_sheet import Additions
from collect_pipelines.forms.xlsform.survey import Item

__all__ = ["patched_choices", "patched_form", "patched_questions"]

Document = dict[str, Any]
Plain = Callable[[str], str]
"""An expression without the freedom of writing it, so that blanks and parentheses that say nothing are no difference."""


def patched_choices(choices: Sequence[Document], changes: Mapping[str, Mapping[str, Any]]) -> list[Document]:
    """The choices with what is added to them, those that are not offered at their places."""
    found = [_patched(choice, changes.get(choice["code"], {})) for choice in choices]
    there = {choice["code"] for choice in choices}
    for code, change in changes.items():
        at = change.get("at")
        if code not in there and isinstance(at, int):
            found.insert(at, {"code": code, **{name: value for name, value in change.items() if name != "at"}})
    return found


def patched_questions(
    questions: Sequence[Document], items: Sequence[Item], added: Additions, findings: Findings
) -> tuple[list[Document], dict[Place, Item]]:
    """The questions with what is added to them, and where each comes from."""
    places: dict[Place, Item] = {}
    paths: set[str] = {""}
    found = _level(questions, items, added, ("questions",), places, paths)
    for path in added.questions:
        if path not in paths:
            findings.note(Cell("collect"), f"speaks of the question {path}, which is not in the survey sheet; the row is not used")
    return found, places


def _level(
    questions: Sequence[Document], items: Sequence[Item], added: Additions, place: Place, places: dict[Place, Item], paths: set[str]
) -> list[Document]:
    inside = items[0].parent.path if items and items[0].parent else ""
    hidden = [one for one in added.hidden if one["inside"] == inside]
    where: list[tuple[Document, Item | None]] = list(zip(questions, items, strict=True))
    for one in hidden:
        where.insert(one["at"], (one["question"], None))
    found: list[Document] = []
    for index, (document, item) in enumerate(where):
        if item is None:
            found.append(document)
            continue
        here = (*place, index)
        places[here] = item
        paths.add(item.path)
        patch = {name: value for name, value in added.questions.get(item.path, {}).items() if name not in ("key", "type")}
        whole = _patched(document, patch)
        if item.children:
            whole["questions"] = _level(document["questions"], item.children, added, (*here, "questions"), places, paths)
        found.append(whole)
    return found


def patched_form(document: Document, added: Additions, plain: Plain, findings: Findings) -> Document:
    """The form with what is added to it and its rules in their order."""
    whole = _patched(document, {name: value for name, value in added.form.items() if name != "rules"})
    if added.rules is not None:
        whole["rules"] = _rules(document.get("rules", []), added.rules, plain, findings)
    if not whole.get("rules"):
        whole.pop("rules", None)
    return whole


def _rules(given: Sequence[Document], wanted: Sequence[Document], plain: Plain, findings: Findings) -> list[Document]:
    by_name = {rule["name"]: rule for rule in given}
    found: list[Document] = []
    for rule in wanted:
        like = rule.get("like")
        if like is None and "drop" in rule:
            by_name.pop(str(rule["drop"]), None)
        elif like is None:
            found.append(rule)
        elif like in by_name:
            found.append(_refined(by_name.pop(like), rule.get("set", {}), plain))
        else:
            findings.note(Cell("collect"), f"refines the rule {like}, which the survey sheet does not give any more; the rule is left out")
    return [*found, *by_name.values()]


def _refined(rule: Document, changes: Mapping[str, Any], plain: Plain) -> Document:
    """The rule of the survey sheet under the author's own name and words; its expression only as long as it still says the same."""
    text = changes.get("expression")
    same = isinstance(text, str) and plain(text) == plain(rule["expression"])
    return _patched(rule, {name: value for name, value in changes.items() if name != "expression" or same})


def _patched(document: Mapping[str, Any], changes: Mapping[str, Any]) -> Document:
    whole = dict(document)
    for name, value in changes.items():
        if name == "metadata" and isinstance(value, dict):
            # What the workbook itself says stays, unless the author took it out: then it is null here.
            metadata = {**{part: whole.get(name, {})[part] for part in ("xlsform",) if part in whole.get(name, {})}, **value}
            whole[name] = {part: item for part, item in metadata.items() if part != "xlsform" or item is not None}
            if not whole[name]:
                del whole[name]
        elif value is None:
            whole.pop(name, None)
        else:
            whole[name] = value
    return whole
