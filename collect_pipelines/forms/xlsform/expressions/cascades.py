"""The choice_filter of a select, where it compares columns of the choices with answers."""

import re
from collections.abc import Mapping
from typing import Any

from collect_pipelines.forms.relation_faults import FILTER_TYPES
from collect_pipelines.forms.xlsform.expressions.answers import Answers
from collect_pipelines.forms.xlsform.expressions.translation import Translator
from collect_pipelines.forms.xlsform.expressions.xpath import Binary, Func, Ref, Untranslatable, conjuncts, parse
from collect_pipelines.forms.xlsform.sheets.survey import Item

__all__ = ["chosen_by"]

_WORD = re.compile(r"\$\{[^}]*\}|\"[^\"]*\"|'[^']*'|(?P<name>[^\W\d][\w.-]*)(?![\w.-])(?!\s*\()")


def chosen_by(text: str, item: Item, document: Mapping[str, Any], answers: Answers) -> dict[str, str]:
    """A choice_filter as `choices_by`: column to key. Raises Untranslatable for anything but columns compared with answers."""
    columns = {name for choice in document.get("choices", ()) for name in choice.get("attributes", ())}
    found: dict[str, str] = {}
    for column, ref, any_of in filter_of(text):
        asked = Translator(answers, None, item.repeats()).asked(ref)
        if column not in columns:
            raise Untranslatable(f"`{column}`, a column that is blank for all choices of the list")
        if asked.kind not in FILTER_TYPES or asked.key == item.key or (asked.kind == "select_multiple" and not any_of):
            raise Untranslatable(f"`{asked.name}`, a {asked.kind}")
        if found.setdefault(column, asked.key) != asked.key:
            raise Untranslatable(f"the column `{column}` twice")
    return found


def filter_of(text: str) -> list[tuple[str, Ref, bool]]:
    """Column and question of every equality in a choice_filter, and whether it is `selected()`. Raises Untranslatable for anything else."""
    found: list[tuple[str, Ref, bool]] = []
    for part in conjuncts(parse(_WORD.sub(_as_function, text))):
        match part:
            case Binary("=", Func(column, ()), Ref() as ref) | Binary("=", Ref() as ref, Func(column, ())):
                found.append((column, ref, False))
            case Func("selected", (Ref() as ref, Func(column, ()))):
                found.append((column, ref, True))
            case Func("true", ()):
                continue
            case _:
                raise Untranslatable("something else than equality or selected()")
    return found


def _as_function(found: re.Match[str]) -> str:
    """In a filter a bare name is a column. It becomes a function without arguments, so that one reader serves all expressions."""
    word = found["name"]
    return found[0] if word is None or word in ("and", "or", "div", "mod") else f"{word}()"
