"""Patterns of questions: one portable dialect, run in linear time, with the same verdict at ingest and over a frame."""

import re
from functools import lru_cache
from typing import Any

import re2

__all__ = ["anchored", "compiled", "pattern_fault", "portable", "searched"]

MAX_PATTERN_CHARACTERS = 1_000  # longer ones are generated, and belong into a choice list
MAX_PROGRAM_BYTES = 1 << 20  # memory of one compiled pattern: refuses (x{1000}){1000}

# RE2 reads these classes as ASCII, Rust and Python as Unicode; written out they mean the same everywhere.
_CLASSES = {"d": "0-9", "w": "0-9A-Za-z_", "s": " \\t\\n\\r\\f"}
_INSTEAD = {
    **dict.fromkeys("bB<>", "a word boundary differs between engines; write out the characters before and after"),
    **dict.fromkeys("AzZG", "the pattern always has to match the whole answer; leave it out"),
    **dict.fromkeys("123456789k", "back-references have no linear-time engine; say it without them"),
    **dict.fromkeys("QE", "quoting is not portable; escape each special character with a backslash"),
}
_ESCAPES = frozenset("ntrfv!\"#$%&'()*+,-./:;=?@[\\]^_`{|}~ ")
"""What may follow a backslash and means itself, or a control character, everywhere; < and > are word boundaries in one engine."""
_FLAGS = re.compile(r"\(\?[is]+\)(?![*+?{])")
_PIECE = re.compile(
    r"\\[pP](?:\{[A-Za-z_]+\}|[A-Z])"  # a Unicode class
    r"|\\x(?:[0-9A-Fa-f]{2}|\{[0-9A-Fa-f]{1,6}\})"  # a character by number
    r"|\\.|\[:\^?[a-z]+:\]|\[\^?\]?|\]"
    r"|\(\?(?:P?<[A-Za-z_][A-Za-z0-9_]*>|:)|\(\?.?"  # groups
    r"|\{[0-9]+(?:,[0-9]*)?\}"
    r"|[^\\\[\](){]+|.",
    re.DOTALL,
)


def pattern_fault(pattern: str) -> str | None:
    """What is wrong with a pattern and what to write instead; None when it can be used."""
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        return f"the pattern is longer than {MAX_PATTERN_CHARACTERS} characters; shorten it, or use choices"
    try:
        compiled(pattern)
    except ValueError as exc:
        return str(exc)
    return None


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> Any:
    """The pattern for RE2; its `fullmatch(text)` tells whether the whole answer matches. Raises ValueError saying what to change."""
    return _compiled(anchored(pattern))


@lru_cache(maxsize=4096)
def searched(pattern: str) -> Any:
    """The pattern for RE2; its `search(text)` tells whether it occurs in the text. Raises ValueError saying what to change."""
    return _compiled(portable(pattern))


def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False  # RE2 would print the pattern to stderr
    options.max_mem = MAX_PROGRAM_BYTES
    try:
        return re2.compile(pattern, options)
    except re2.error as exc:
        reason = exc.args[0].decode("utf-8", "replace") if exc.args and isinstance(exc.args[0], bytes) else str(exc)
        raise ValueError(f"the pattern can't be used: {reason}; look-around and back-references are not supported") from exc


@lru_cache(maxsize=4096)
def anchored(pattern: str) -> str:
    r"""
    The portable pattern for the whole answer; anchoring it again changes nothing but its brackets.

    >>> anchored(r"\d{6}")
    '^(?:[0-9]{6})$'
    """
    flags, body = _portable(pattern)
    return f"{flags}^(?:{body})$"


@lru_cache(maxsize=4096)
def portable(pattern: str) -> str:
    r"""
    The pattern as every engine (RE2, Rust, DuckDB) reads it alike, found anywhere in a text: `\d \w \s` written out in ASCII.

    Raises ValueError for what has no portable meaning.
    """
    return "".join(_portable(pattern))


def _portable(pattern: str) -> tuple[str, str]:
    flags = _FLAGS.match(pattern)
    head = flags.group() if flags else ""
    parts: list[str] = []
    inside = False
    for piece in _PIECE.findall(pattern[len(head) :]):
        if piece.startswith("\\"):
            parts.append(_escape(piece, inside))
        elif inside:
            parts.append(_in_class(piece))
            inside = not piece.startswith("]")
        elif piece.startswith("["):
            inside = True
            parts.append(piece.replace("]", "\\]"))
        else:
            parts.append(_outside(piece))
    return head, "".join(parts)


def _outside(piece: str) -> str:
    if piece == "{":
        raise ValueError("a { that is no repetition such as {2,5} is read differently by engines; write \\{")
    if piece.startswith("(?") and not piece.endswith((":", ">")):
        raise ValueError(f"{piece} is not supported: no look-around or back-references, and flags such as (?i) only at the start")
    return piece


def _in_class(piece: str) -> str:
    # A bare [ in a class is a literal for RE2 and starts a nested class for Rust, where && -- ~~ are set operations.
    if piece.startswith("[:"):
        return piece
    return piece.replace("[", "\\[").replace("&", "\\&").replace("~", "\\~")


def _escape(piece: str, inside: bool) -> str:
    letter = piece[1:]
    if letter in _CLASSES:
        return _CLASSES[letter] if inside else f"[{_CLASSES[letter]}]"
    if letter.lower() in _CLASSES:
        if inside:
            raise ValueError(f"{piece} inside [...] is not portable; list the characters that are allowed")
        return f"[^{_CLASSES[letter.lower()]}]"
    if letter in _ESCAPES or (len(letter) > 1 and letter[0] in "pPx"):
        return piece
    raise ValueError(f"{piece} is not supported: {_INSTEAD.get(letter, 'engines read it differently; write the character itself')}")
