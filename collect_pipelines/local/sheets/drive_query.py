"""The search language of files.list, as far as spreadsheets need it: `name = 'x' and trashed = false`."""

import re
from collections.abc import Callable

from collect_pipelines.local.sheets.errors import DriveError
from collect_pipelines.local.sheets.workbook import Workbook

__all__ = ["parse_query"]

Test = Callable[[Workbook], bool]

_TEXT = r"""(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")"""
_AND = re.compile(r"\s*\band\b\s*")
_MIME = re.compile(rf"mimeType\s*(=|!=)\s*{_TEXT}\s*")
_NAME = re.compile(rf"name\s*(=|!=|contains)\s*{_TEXT}\s*")
_TRASHED = re.compile(r"trashed\s*(=|!=)\s*(true|false)\s*")
_PARENT = re.compile(rf"{_TEXT}\s+in\s+parents\s*")
_PROPERTY = re.compile(rf"appProperties\s+has\s*\{{\s*key\s*=\s*{_TEXT}\s+and\s+value\s*=\s*{_TEXT}\s*\}}\s*")
SPREADSHEET_TYPE = "application/vnd.google-apps.spreadsheet"


def parse_query(text: str) -> Test:
    """A test for files; raises Drive's 400 for what is not a query or is not supported here."""
    rest, tests = text.strip(), []
    while rest:
        for pattern, make in _TERMS:
            found = pattern.match(rest)
            if found:
                tests.append(make(found))
                rest = rest[found.end() :]
                break
        else:
            raise _invalid()
        if rest:
            joined = _AND.match(rest)
            if not joined or not rest[joined.end() :]:
                raise _invalid()
            rest = rest[joined.end() :]
    return lambda workbook: all(test(workbook) for test in tests)


def _mime(found: re.Match[str]) -> Test:
    same = (_text(found, 2) == SPREADSHEET_TYPE) == (found[1] == "=")
    return lambda workbook: same


def _name(found: re.Match[str]) -> Test:
    operator, wanted = found[1], _text(found, 2)
    if operator == "contains":
        # Drive matches beginnings of words.
        pattern = re.compile(r"(?:^|\W)" + re.escape(wanted), re.IGNORECASE)
        return lambda workbook: bool(pattern.search(workbook.title))
    return lambda workbook: (workbook.title == wanted) == (operator == "=")


def _trashed(found: re.Match[str]) -> Test:
    wanted = (found[2] == "true") == (found[1] == "=")
    return lambda workbook: workbook.file.trashed == wanted


def _parent(found: re.Match[str]) -> Test:
    everything = _text(found, 1) == "root"
    return lambda workbook: everything


def _property(found: re.Match[str]) -> Test:
    key, value = _text(found, 1), _text(found, 3)
    return lambda workbook: workbook.file.app_properties.get(key) == value


def _text(found: re.Match[str], group: int) -> str:
    raw = found[group] if found[group] is not None else found[group + 1]
    return re.sub(r"\\(.)", r"\1", raw)


def _invalid() -> DriveError:
    return DriveError(400, "invalid", "Invalid Value", location="q")


_TERMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Test]], ...] = (
    (_MIME, _mime),
    (_NAME, _name),
    (_TRASHED, _trashed),
    (_PARENT, _parent),
    (_PROPERTY, _property),
)
