"""Field masks: the `fields` of a request says what is written, the `fields` parameter what is answered."""

import re
from collections.abc import Iterable
from typing import Any

from collect_pipelines.local.sheets.errors import bad_request
from collect_pipelines.local.sheets.messages import MESSAGES

__all__ = ["Mask", "parse_mask", "select", "update_paths", "wants"]

Mask = dict[str, Any]
"""Nested names; an empty mask takes everything below."""

_TOKEN = re.compile(r"[A-Za-z_0-9*]+|[.,/()]")


def parse_mask(text: str, message: str | None = None) -> Mask:
    """`a.b,c(d,e/f)` as nested names. Raises a 400 for bad syntax, and for names `message` does not have."""
    tokens = _TOKEN.findall(text.replace(" ", ""))
    if "".join(tokens) != text.replace(" ", "") or not tokens:
        raise _invalid(text)
    mask, rest = _group(tokens, text)
    if rest:
        raise _invalid(text)
    if message is not None:
        _check(mask, message, "")
    return mask


def select(document: Any, mask: Mask) -> Any:
    """The part of an answer the mask names; lists are taken item by item."""
    if not mask or "*" in mask:
        return document
    if isinstance(document, list):
        return [select(item, mask) for item in document]
    if not isinstance(document, dict):
        return document
    return {name: select(document[name], inner) for name, inner in mask.items() if name in document}


def wants(mask: Mask | None, *path: str) -> bool:
    """True when the answer under `path` will be shown."""
    if mask is None:
        return True
    for name in path:
        if not mask or "*" in mask:
            return True
        if name not in mask:
            return False
        mask = mask[name]
    return True


def update_paths(text: str | None, message: str, root: str | None = None) -> list[str]:
    """
    The dotted paths of a request's `fields`; `*` gives `["*"]`.

    root: the wrapper some requests allow before the names (`properties.title` for `title`).
    Raises ValueError with Google's text for no mask and for unknown names.
    """
    if not text:
        raise ValueError("At least one field must be listed in 'fields'. (Use '*' to indicate all fields.)")
    paths = list(_flatten(parse_mask(text)))
    result = []
    for path in paths:
        trimmed = path[len(root) + 1 :] if root and path.startswith(root + ".") else path
        if not _known(trimmed.split("."), message):
            raise ValueError(f"Invalid field: {path}")
        result.append(trimmed)
    return result


def _flatten(mask: Mask, prefix: str = "") -> Iterable[str]:
    for name, inner in mask.items():
        if inner:
            yield from _flatten(inner, f"{prefix}{name}.")
        else:
            yield prefix + name


def _known(names: list[str], message: str) -> bool:
    fields = MESSAGES.get(message)
    for name in names:
        if name == "*" or fields is None:
            return True
        camel = re.sub(r"_([a-z])", lambda match: match.group(1).upper(), name)
        if camel not in fields:
            return False
        fields = MESSAGES.get(fields[camel].kind)
    return True


def _group(tokens: list[str], text: str) -> tuple[Mask, list[str]]:
    mask: Mask = {}
    while True:
        tokens = _path(tokens, mask, text)
        if not tokens or tokens[0] == ")":
            return mask, tokens
        if tokens[0] != ",":
            raise _invalid(text)
        tokens = tokens[1:]


def _path(tokens: list[str], mask: Mask, text: str) -> list[str]:
    while True:
        if not tokens or tokens[0] in ".,/()":
            raise _invalid(text)
        mask = mask.setdefault(tokens[0], {})
        tokens = tokens[1:]
        if not tokens or tokens[0] in ",)":
            return tokens
        if tokens[0] == "(":
            inner, rest = _group(tokens[1:], text)
            if not rest:
                raise _invalid(text)
            mask.update(inner)
            return rest[1:]
        tokens = tokens[1:]


def _check(mask: Mask, message: str, path: str) -> None:
    fields = MESSAGES.get(message)
    if fields is None or "*" in mask:
        return
    for name, inner in mask.items():
        if name not in fields:
            raise _invalid(path + name)
        _check(inner, fields[name].kind, f"{path}{name}.")


def _invalid(path: str) -> Exception:
    text = f"Error expanding 'fields' parameter. Cannot find matching fields for path '{path}'."
    return bad_request("Request contains an invalid argument.", [(path, text)])
