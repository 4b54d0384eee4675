"""From YAML text to a form definition, every fault with file, line and path."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from collect_pipelines.errors import FormInvalid
from collect_pipelines.forms.definition import DEFAULT_LANGUAGE, CheckSettings, Choice, FormDefinition, FormRule, Question
from collect_pipelines.forms.expressions import check_form
from collect_pipelines.forms.faults import MAX_RULES, Faults, Place, key_fault, spell
from collect_pipelines.forms.file_schema import form_json_schema
from collect_pipelines.forms.form_faults import form_faults
from collect_pipelines.forms.relation_faults import relation_faults
from collect_pipelines.forms.rule import Volume
from collect_pipelines.forms.rule_faults import rule_faults
from collect_pipelines.forms.shadows import shadow_questions, shadow_rules
from collect_pipelines.forms.writing import write_form
from collect_pipelines.forms.yaml_tree import Tree, YamlFault, read_tree

__all__ = ["form_json_schema", "form_of", "read_form", "write_form"]

MAX_PROBLEMS = 100  # more are not read by a person; the rest shows after the next round
_FORM_FIX = "Correct the lines named above; docs/forms.md explains every field."


def read_form(text: str | bytes, source: str = "form.yaml") -> FormDefinition:
    """
    The definition in a YAML (or JSON) text.

    Raises FormInvalid with one problem per fault, e.g. `form.yaml:12: questions[3].choices: ...`, all faults at once.
    source: name shown before the line.
    """
    try:
        tree = read_tree(text)
    except YamlFault as exc:
        raise _invalid(source, [(exc.line, (), exc.message)]) from exc
    return form_of(tree, source)


def form_of(tree: Tree, source: str) -> FormDefinition:
    """The definition in YAML that was read already, e.g. as a part of a larger file. Raises FormInvalid as `read_form` does."""
    if not isinstance(tree.value, dict):
        raise _invalid(source, [(1, (), "must be a mapping with `form:`, `title:` and `questions:`")])
    try:
        return FormDefinition.model_validate(tree.value)
    except ValidationError as exc:
        found = list(_faults(exc))
        found += _key_faults(tree.value.get("questions"), ("questions",), {place for place, _ in found})
        found += _whole_form(tree.value, {place for place, _ in found})
        raise _invalid(source, [(_line(tree, place), place, message) for place, message in found]) from exc
    except RecursionError as exc:
        raise _invalid(source, [(1, (), "is nested too deep; flatten it")]) from exc


def _invalid(source: str, found: list[tuple[int, Place, str]]) -> FormInvalid:
    ordered = sorted(dict.fromkeys(found), key=lambda item: item[0])
    problems = [
        f"{source}:{line}: {spell(place)}: {message}" if place else f"{source}:{line}: {message}" for line, place, message in ordered
    ]
    count = "One fault" if len(problems) == 1 else f"{len(problems)} faults"
    shown = problems[:MAX_PROBLEMS]
    return FormInvalid(f"{count} in {source}: {shown[0]}" + (" ..." if len(problems) > 1 else ""), problems=shown, fix=_FORM_FIX)


def _line(tree: Tree, place: Place) -> int:
    """The line of the value, or of the nearest part around it that was written."""
    while place and place not in tree.lines:
        place = place[:-1]
    return tree.lines.get(place, 1)


def _faults(error: ValidationError) -> Iterator[tuple[Place, str]]:
    for item in error.errors(include_url=False, include_input=False):
        place: Place = tuple(item["loc"])
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, Faults):
            for fault in cause.faults:
                yield (*place, *fault.place), fault.message
        else:
            yield place, _words(item["type"], item, place)


def _words(kind: str, item: Mapping[str, Any], place: Place) -> str:
    """What pydantic found, said so that the author knows what to do."""
    context = item.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return f"must be one of {context['expected']}"
    if kind == "extra_forbidden":
        near = get_close_matches(str(place[-1]), _fields_at(place), n=1)
        return "is not a field that is known here" + (f"; did you mean `{near[0]}`?" if near else "; remove it")
    return _PLAIN_WORDS.get(kind) or str(item["msg"]).lower()


_PLAIN_WORDS = {
    "missing": "is missing; add it",
    "string_type": "must be text; put quotes around it",
    "bool_type": "must be true or false, without quotes",
    "int_type": "must be a whole number, without quotes",
    "tuple_type": "must be a list: one item per line, each starting with `- `",
    "dict_type": "must be a mapping: `name: value` on lines of their own",
    "model_type": "must be a mapping: `name: value` on lines of their own",
    "date_from_datetime_parsing": "must be a day such as 2026-01-31",
    "date_parsing": "must be a day such as 2026-01-31",
}


def _fields_at(place: Place) -> list[str]:
    if len(place) >= 2 and place[-2] == "checks":
        return []
    if "checks" in place:
        return list(CheckSettings.model_fields)
    if place[0] == "rules":
        return list((Volume if "volume" in place[:-1] else FormRule).model_fields)
    if "choices" in place:
        return list(Choice.model_fields)
    return list((Question if "questions" in place else FormDefinition).model_fields)


def _key_faults(questions: Any, place: Place, known: set[Place]) -> Iterator[tuple[Place, str]]:
    """Bad keys of questions with another fault too: pydantic does not look at the rules of a question with e.g. an unknown type."""
    for index, item in enumerate(questions if isinstance(questions, list) else ()):
        if isinstance(item, dict):
            key, at = item.get("key"), (*place, index, "key")
            fault = key_fault(key) if isinstance(key, str) and at not in known else None
            if fault:
                yield at, fault
            yield from _key_faults(item.get("questions"), (*place, index, "questions"), known)


def _whole_form(raw: dict[str, Any], known: set[Place]) -> Iterator[tuple[Place, str]]:
    """Faults that only show over the whole form, found in what could be read: pydantic looks no further once a question is broken."""
    languages = raw.get("languages", [DEFAULT_LANGUAGE])
    unique_by = raw.get("unique_by")
    shadows = shadow_questions(raw.get("questions"))
    if not isinstance(languages, list) or not shadows:
        return
    rules = shadow_rules(raw.get("rules"))
    found = [
        *form_faults(shadows, languages, unique_by if isinstance(unique_by, str) else None),
        *relation_faults(shadows),
        *rule_faults(rules, shadows, languages),
        *(check_form(shadows, rules).faults if len(rules) <= MAX_RULES else ()),
    ]
    for fault in found:
        if fault.place not in known:
            yield fault.place, fault.message
