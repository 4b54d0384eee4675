"""Whether an export has one header row or two, as survey tools write them: the question above, its options or its rows below."""

import re
from collections.abc import Sequence

from collect_pipelines.rules.moments import read_date

__all__ = ["ID_HEADER", "Span", "bracketed", "header_rows", "is_other", "spans"]

ID_HEADER = re.compile(r"(^|[^A-Za-z])[iI][dD]$|[a-z]I[dD]$|[uU]{2}[iI][dD]$|[gG][uU][iI][dD]$")
ENOUGH_ROWS = 5  # of answers below, before values alone are taken as evidence
MOSTLY = 0.5  # share of rows

ANSWER_WORDS = frozenset({
    "response", "open-ended response", "open ended response", "antwort", "offene antwort", "réponse", "réponse ouverte", "respuesta",
    "respuesta abierta", "risposta", "risposta aperta", "resposta", "resposta aberta", "antwoord", "svar", "odpowiedź",
})  # fmt: skip
"""What stands under a question that has one column only."""

_OTHER = re.compile(
    r"^\W*(other|others|andere[sr]?|sonstige[sr]?|autres?|otros?|otras?|altro|altra|outros?|outras?|anders|annat|inne|अन्य|इतर|অন্যান্য)\b"
    r"|please specify|bitte angeben|veuillez préciser|especifique|specificare|कृपया बताएं|कृपया स्पष्ट करें",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"(.*\S)\s*\[([^\[\]]+)\]\s*", re.DOTALL)
_NUMBER = re.compile(r"[-+]?[0-9][0-9.,]*")

Span = tuple[int, int]
"""First column and the one after the last of what belongs to one question."""


def is_other(label: str) -> bool:
    """Whether a column is for answers in one's own words, e.g. `Other (please specify)`."""
    return _OTHER.search(label) is not None


def bracketed(labels: Sequence[str]) -> list[tuple[int, Sequence[str]]]:
    """Questions whose rows have a column each, `How good was it? [Price]`: place of the first column, and the rows."""
    found: list[tuple[int, list[str]]] = []
    before = None
    for column, label in enumerate(labels):
        parts = _BRACKETED.fullmatch(label)
        question = parts[1] if parts else None
        if parts and question == before:
            found[-1][1].append(parts[2])
        elif parts:
            found.append((column, [parts[2]]))
        before = question
    return [(start, rows) for start, rows in found if len(rows) > 1]


def spans(top: Sequence[str], below: Sequence[str]) -> list[Span]:
    """The columns of each question: one that has nothing above it, or the same again, continues the one before."""
    found: list[Span] = []
    for column, label in enumerate(top):
        start = found[-1][0] if found else 0
        continues = bool(found) and bool(below[column]) and (not label or label == top[start]) and bool(top[start])
        if continues:
            found[-1] = (start, column + 1)
        else:
            found.append((column, column + 1))
    return found


def header_rows(rows: Sequence[Sequence[str]]) -> tuple[int, str]:
    """
    1 or 2, and why it is 2. rows: the first rows of the export that are not blank, the header first.

    A row of answers taken for a header would be lost, so two needs evidence that answers can't give by chance.
    """
    if len(rows) < 3:
        return 1, ""
    width = max(len(rows[0]), len(rows[1]))
    top, below, *data = ([*row, *[""] * (width - len(row))] for row in rows)
    if not any(below) or (ID_HEADER.search(top[0].strip()) and below[0]):
        return 1, ""
    groups = spans(top, below)
    wide = [(start, end) for start, end in groups if end - start > 1]
    filled = [column for column in range(width) if any(row[column] for row in data)]
    if any(not top[column] and not below[column] for column in filled):
        return 1, ""  # a column with answers and no name in either row: the second row is an answer with a gap
    singles = {below[start].strip().lower() for start, end in groups if end - start == 1} - {""}
    if singles and singles <= ANSWER_WORDS:
        return 2, "the second row says what kind of answer stands below"
    if not wide or any(len(set(below[start:end])) < end - start for start, end in wide):
        return 1, ""
    if all(_are_marks(below, data, span) for span in wide) and _nothing_else(below, groups):
        return 2, "answers repeat the options in the second row"
    if _only_below(below, data, groups, filled):
        return 2, "the second row has names only where a question has several columns"
    return 1, ""


def _are_marks(below: Sequence[str], data: Sequence[Sequence[str]], span: Span) -> bool:
    """Whether at least two columns hold their option or nothing, as do all but those for own words."""
    options = [column for column in range(*span) if not is_other(below[column])]
    seen = [{row[column] for row in data if row[column]} for column in options]
    fits = all(values <= {below[column]} for values, column in zip(seen, options, strict=True))
    return fits and sum(map(bool, seen)) > 1


def _nothing_else(below: Sequence[str], groups: Sequence[Span]) -> bool:
    return all(not below[start] for start, end in groups if end - start == 1)


def _only_below(below: Sequence[str], data: Sequence[Sequence[str]], groups: Sequence[Span], filled: Sequence[int]) -> bool:
    """Whether questions with one column, which nearly everyone answers, have nothing in the second row, and the others a name."""
    single = [start for start, end in groups if end - start == 1]
    if len(data) < ENOUGH_ROWS or not _nothing_else(below, groups) or not set(single) & set(filled):
        return False
    answered = sum(1 for row in data for column in single if row[column])
    names = [below[column] for start, end in groups if end - start > 1 for column in range(start, end)]
    plain = not any(_NUMBER.fullmatch(name) or read_date(name) for name in names)
    return plain and answered > MOSTLY * len(data) * len(single)
