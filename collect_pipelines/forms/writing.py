"""A form definition as YAML text that a person edits further: fields in reading order, defaults left out, quotes where needed."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from collect_pipelines.forms.definition import DEFAULT_LANGUAGE, FormDefinition

__all__ = ["write_form", "yaml_lines"]

# What may stand without quotes: no YAML reader, of version 1.1 or 1.2, takes it for anything but text.
_SAFE = re.compile(r"[A-Za-z][A-Za-z0-9_ .'()/+-]*")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_ESCAPED = re.compile("[\x00-\x1f\x7f-\xa0\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_TEXTS = frozenset({"title", "label", "hint", "message", "constraint_message", "required_message"})
_OF_AUTHOR = frozenset({"metadata", "config", "attributes"})


def write_form(definition: FormDefinition, *, schema: str = "form.schema.json") -> str:
    """
    YAML text; `read_form(write_form(d)) == d`.

    schema: where editors find the JSON Schema of forms (docs/form.schema.json), relative to the file.
    """
    document = definition.model_dump(mode="json", exclude_defaults=True)
    lines = [f"# yaml-language-server: $schema={schema}", *_mapping(document, 0)]
    return "\n".join(lines) + "\n"


def yaml_lines(document: Mapping[str, Any], indent: int = 0) -> Iterator[str]:
    """Plain data as lines of YAML, quoted like a form's; `read_tree` gives the same data back."""
    return _mapping(document, indent, of_author=True)


def _mapping(value: Mapping[str, Any], indent: int, of_author: bool = False) -> Iterator[str]:
    """of_author: in data of the author's own, where `label` is just a word."""
    for name, item in value.items():
        if not of_author and name in _TEXTS and isinstance(item, dict) and list(item) == [DEFAULT_LANGUAGE]:
            item = item[DEFAULT_LANGUAGE]
        yield from _entry(f"{' ' * indent}{_text(name)}:", item, indent + 2, of_author or name in _OF_AUTHOR)


def _entry(head: str, value: Any, indent: int, of_author: bool) -> Iterator[str]:
    if isinstance(value, dict) and value:
        yield head
        yield from _mapping(value, indent, of_author)
    elif isinstance(value, list) and value:
        yield head
        yield from _sequence(value, indent, of_author)
    else:
        yield f"{head} {_scalar(value)}"


def _sequence(value: Sequence[Any], indent: int, of_author: bool) -> Iterator[str]:
    pad = " " * indent
    for item in value:
        if isinstance(item, dict) and item:
            first, *rest = _mapping(item, indent + 2, of_author)
            yield f"{pad}- {first[indent + 2 :]}"
            yield from rest
        elif isinstance(item, list) and item:
            yield f"{pad}-"
            yield from _sequence(item, indent + 2, of_author)
        else:
            yield f"{pad}- {_scalar(item)}"


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    return json.dumps(value)


def _text(text: str) -> str:
    if _SAFE.fullmatch(text) and text.lower() not in _WORDS and not text.endswith(" "):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found.group()):04x}", quoted)
