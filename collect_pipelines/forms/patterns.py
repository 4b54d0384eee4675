"""Patterns of questions: one portable dialect, run in linear time, with the same verdict at ingest and over a frame."""

import re
from functools import lru_cache
from typing import Any

import re2

__all__ = ["anchored", "compiled", "pattern_fault"]

MAX_PATTERN_CHARACTERS = 1_000  # longer ones are generated, and belong into a choice list
MAX_PROGRAM_BYTES = 1 << 20  # memory of one compiled pattern: refuses (x{1000}){1000}

# RE2 reads these classes as ASCII, Rust and Python as Unicode; written out they mean the same everywhere.
_CLASSES = {"d": "0-9", "w": "0-9A-Za-z_", "s": " \\t\\n\\r\\f"}
_UNPORTABLE = {
    "b": "a word boundary means ASCII in one engine and Unicode in another; write out the characters before and after",
    "B": "a word boundary means ASCII in one engine and Unicode in another; write out the characters before and after",
    "A": "the pattern always has to match the whole answer; leave it out",
    "z": "the pattern always has to match the whole answer; leave it out",
    "Z": "the pattern always has to match the whole answer; leave it out",
    "C": "it matches half a character; use . instead",
    "Q": "quoting is not portable; escape each special character with a backslash",
    "E": "quoting is not portable; escape each special character with a backslash",
}
_PIECE = re.compile(r"\\.|\[:\^?[a-z]+:\]|\[\^?\]?|\]|\(\?<?[=!]|\(\?P?[<'&>=]|[^\\\[\]()]+|.", re.DOTALL)


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
    options = re2.Options()
    options.log_errors = False  # RE2 would print the pattern to stderr
    options.max_mem = MAX_PROGRAM_BYTES
    try:
        return re2.compile(anchored(pattern), options)
    except re2.error as exc:
        reason = exc.args[0].decode("utf-8", "replace") if exc.args and isinstance(exc.args[0], bytes) else str(exc)
        raise ValueError(f"the pattern can't be used: {reason}; look-around and back-references are not supported") from exc


@lru_cache(maxsize=4096)
def anchored(pattern: str) -> str:
    r"""
    The pattern as every engine (RE2, Rust, DuckDB) reads it alike: anchored to the whole answer, `\d \w \s` written out in ASCII.

    Raises ValueError for what has no portable meaning.

    >>> anchored(r"\d{6}")
    '^(?:[0-9]{6})$'
    """
    parts: list[str] = []
    inside = False
    for piece in _PIECE.findall(pattern):
        if piece.startswith("\\"):
            parts.append(_escape(piece, inside))
        elif inside:
            parts.append(_in_class(piece))
            inside = piece != "]"
        elif piece.startswith("["):
            inside = True
            parts.append(piece.replace("]", "\\]"))
        elif piece.startswith("(?") and piece[2:] not in ("P<", "<"):
            raise ValueError(f"{piece} is not supported: look-around and back-references have no linear-time engine; say it without them")
        else:
            parts.append(piece)
    return f"^(?:{''.join(parts)})$"


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
    if letter in _UNPORTABLE:
        raise ValueError(f"{piece}: {_UNPORTABLE[letter]}")
    if letter.isdigit() and letter != "0":
        raise ValueError(f"{piece}: back-references have no linear-time engine; say it without them")
    return piece
