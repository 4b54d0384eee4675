"""Reading words out of a JavaScript or TypeScript module without running it."""

import json
import re
from collections.abc import Iterator

from collect_pipelines.errors import ReferenceInvalid

__all__ = ["words_of"]

_TOKEN = re.compile(
    r"(?P<comment>//[^\n]*|/\*[\s\S]*?\*/)"
    r"|(?P<text>\"(?:[^\"\\\n]|\\[\s\S])*\"|'(?:[^'\\\n]|\\[\s\S])*'|`(?:[^`\\]|\\[\s\S])*`)"
    r"|(?P<number>\d+)(?![\w.])"
    r"|(?P<name>[A-Za-z_$][\w$]*)"
    r"|(?P<sign>[\[\]{}:,])"
    r"|(?P<space>\s+)"
    r"|(?P<rest>[\s\S])"
)
_MADE = re.compile(r"(?<!\\)(?:\\\\)*\$\{")
"""Something in a template that is put in when the code runs."""
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([\s\S]))")
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": ""}


def words_of(code: str, name: str) -> Iterator[tuple[int, str | None, int | None]]:
    """
    Line, word and number of each entry: strings in `[...]` have none, in `{word: number}` it is theirs.

    The word is None where it is made when the code runs: a template with `${...}` in it. Strings elsewhere (imports, types) are no
    entries. Raises ReferenceInvalid at a string that does not end.
    """
    inside: list[str] = []
    key: tuple[int, str | None] | None = None  # a word in braces whose number is still to come
    expected = False
    line = 1
    for token in _TOKEN.finditer(code):
        kind, text = token.lastgroup, token[0]
        at, line = line, line + text.count("\n")
        if kind == "rest" and text in "\"'`":
            raise ReferenceInvalid(f"{name}:{at}: a string that does not end.", fix="Fetch the file again, or name its --format.")
        if kind == "sign":
            if text in "[{":
                inside.append(text)
            elif text in "]}" and inside:
                inside.pop()
            expected = text == ":" and key is not None
            key = key if expected else None
        elif kind == "text" and inside[-1:] == ["["]:
            yield at, _plain(text), None
        elif kind in ("text", "name") and inside[-1:] == ["{"] and not expected:
            key = (at, _plain(text) if kind == "text" else text)
        elif kind == "number" and expected and key is not None:
            yield *key, int(text[:6])
            key, expected = None, False


def _plain(quoted: str) -> str | None:
    if quoted[0] == "`" and _MADE.search(quoted):
        return None
    if "\\" not in quoted:
        return quoted[1:-1]
    if quoted[0] == '"':
        try:
            return str(json.loads(quoted))
        except ValueError:
            pass  # JavaScript knows escapes that JSON does not
    return _ESCAPE.sub(_unescaped, quoted[1:-1])


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    if code:
        number = int(code, 16)
        return chr(number) if number < 0x110000 else ""
    return _SIMPLE.get(match[4], match[4])
