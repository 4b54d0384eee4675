"""
YAML text as plain values with the line of each of them.

Built from parser events, without recursion: bounded in size, depth, nodes and aliases whatever the text is. The meaning of plain
scalars is YAML 1.2's core schema (`no` is text, `012` is text, a date is text), so that what is stored is what was written.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from collect_pipelines.forms.faults import INTEGER_HIGH, INTEGER_LOW, Place

__all__ = ["Tree", "YamlFault", "read_tree"]

MAX_BYTES = 1024 * 1024  # a form of 1,000 questions in five languages is about 600 KB
MAX_DEPTH = 40  # groups nest 8 deep, each level costs two; metadata may have a few of its own
MAX_NODES = 100_000  # aliases counted each time they are used: a bomb of nine levels has 10^9
MAX_NUMBER_CHARACTERS = 40

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip


class YamlFault(Exception):
    """The text is not YAML we read; `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        self.line = line
        self.message = message
        super().__init__(message)


@dataclass(slots=True)
class Tree:
    """The document, and the line of every value by its place."""

    value: Any = None
    lines: dict[Place, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Node:
    """A value being built: a scalar, or a container with its children and the lines of keys."""

    line: int
    value: Any = None
    items: list["_Node"] | None = None
    members: dict[str, tuple[int, "_Node"]] | None = None
    nodes: int = 1
    depth: int = 1
    pending_key: tuple[int, str] | None = None


def read_tree(text: str | bytes) -> Tree:
    """The one document in the text. Raises YamlFault when it can't be read at all."""
    tree = Tree()
    root = _compose(_decoded(text))
    tree.value = _plain(root, (), tree)
    return tree


def _decoded(text: str | bytes) -> str:
    if isinstance(text, bytes):
        raw = text
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError as exc:
            raise YamlFault(raw.count(b"\n", 0, exc.start) + 1, "is not UTF-8; save the file with the encoding UTF-8") from exc
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise YamlFault(1, f"the form is larger than {MAX_BYTES // 1024} KiB; split it, or ask for text instead of very long choice lists")
    return text.removeprefix("\ufeff")


def _events(text: str) -> Iterator[tuple[str, int, Any]]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            yield type(event).__name__, event.start_mark.line + 1, event
    except MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        problem = exc.problem or exc.context or "is not YAML"
        if "'\\t'" in problem:
            problem = "a tab stands where YAML wants spaces; indent with spaces"
        raise YamlFault(mark.line + 1 if mark else 1, f"is not YAML: {problem}") from exc
    except Exception as exc:  # the parser raises many types on hostile text; each of them is a fault of the text
        position = getattr(exc, "position", 0)
        line = text.count("\n", 0, position) + 1 if isinstance(position, int) else 1
        raise YamlFault(line, f"is not YAML: {type(exc).__name__}; remove characters that are not printable") from exc


def _compose(text: str) -> _Node:
    stack: list[_Node] = []
    anchors: dict[str, _Node] = {}
    root: _Node | None = None
    documents = 0
    for kind, line, event in _events(text):
        if kind == "DocumentStartEvent":
            documents += 1
            if documents > 1:
                raise YamlFault(line, "a second document starts here; a file holds one form")
            continue
        if kind in ("MappingEndEvent", "SequenceEndEvent"):
            node = stack.pop()
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            node = _Node(line, items=[] if kind == "SequenceStartEvent" else None, members={} if kind == "MappingStartEvent" else None)
            _refuse_tag(event, line)
            stack.append(node)
            if len(stack) > MAX_DEPTH:
                raise YamlFault(line, f"is nested deeper than {MAX_DEPTH} levels; flatten it")
            if event.anchor:
                anchors[event.anchor] = node
            continue
        elif kind == "ScalarEvent":
            node = _Node(line, value=_scalar(event, line))
            if event.anchor:
                anchors[event.anchor] = node
        elif kind == "AliasEvent":
            node = _alias(anchors, event.anchor, line, stack)
        else:
            continue
        if stack:
            _attach(stack[-1], node, line)
        else:
            root = node
    if root is None:
        raise YamlFault(1, "is empty; start with `form:`, `title:` and `questions:`")
    return root


def _refuse_tag(event: Any, line: int) -> None:
    tag = getattr(event, "tag", None)
    if tag is not None and str(tag) not in ("", "None", "!"):
        raise YamlFault(line, "has a type tag (!...); remove it, and put text in quotes instead")


def _alias(anchors: dict[str, _Node], name: str, line: int, stack: list[_Node]) -> _Node:
    found = anchors.get(name)
    if found is None:
        raise YamlFault(line, f"*{name} refers to nothing; define &{name} above, or write the value out")
    if any(found is open_node for open_node in stack):
        raise YamlFault(line, f"*{name} contains itself; write the value out")
    return found


def _attach(parent: _Node, node: _Node, line: int) -> None:
    if parent.items is not None:
        parent.items.append(node)
    else:
        assert parent.members is not None
        if parent.pending_key is None:
            parent.pending_key = (line, _key(node, line))
            return
        at, key = parent.pending_key
        parent.pending_key = None
        if key == "<<":
            raise YamlFault(at, "merge keys (<<) are not YAML 1.2; write the fields out")
        if key in parent.members:
            raise YamlFault(at, f"`{key[:64]}` is written twice (first in line {parent.members[key][0]}); keep one of them")
        parent.members[key] = (at, node)
    parent.depth = max(parent.depth, node.depth + 1)
    if parent.depth > MAX_DEPTH:  # aliases of aliases nest deeper than the text does
        raise YamlFault(line, f"is nested deeper than {MAX_DEPTH} levels; flatten it")
    parent.nodes += node.nodes
    if parent.nodes > MAX_NODES:
        raise YamlFault(line, f"has more than {MAX_NODES:,} values (aliases counted each time they are used); split the form")


def _key(node: _Node, line: int) -> str:
    if node.items is not None or node.members is not None:
        raise YamlFault(line, "a list or mapping can't be a key; write a plain word")
    if not isinstance(node.value, str):
        raise YamlFault(line, "a key must be text; put quotes around it")
    return node.value


def _scalar(event: Any, line: int) -> Any:
    _refuse_tag(event, line)
    text: str = event.value
    if not event.implicit[0]:
        if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
            raise YamlFault(line, "holds a character that can't be stored (NUL or half a surrogate pair); remove it")
        return text
    if text in _WORDS:
        return _WORDS[text]
    if len(text) <= MAX_NUMBER_CHARACTERS:
        return _number(text, line)
    return text


def _number(text: str, line: int) -> int | float | str:
    if _INTEGER.fullmatch(text):
        number = int(text)
        if not INTEGER_LOW <= number <= INTEGER_HIGH:
            raise YamlFault(line, "this integer does not fit 64 bits; put quotes around it if it is text")
        return number
    if any(digit.isdigit() for digit in text) and text[0] not in "eE" and _DECIMAL.fullmatch(text):
        value = float(text)
        if not math.isfinite(value):
            raise YamlFault(line, "this number is too large; put quotes around it if it is text")
        return value
    return text


def _plain(node: _Node, place: Place, tree: Tree) -> Any:
    tree.lines[place] = node.line
    if node.items is not None:
        return [_plain(item, (*place, index), tree) for index, item in enumerate(node.items)]
    if node.members is not None:
        return {key: _member(child, line, (*place, key), tree) for key, (line, child) in node.members.items()}
    return node.value


def _member(node: _Node, line: int, place: Place, tree: Tree) -> Any:
    value = _plain(node, place, tree)
    tree.lines[place] = line  # people look for the key, also when the value starts further down
    return value
