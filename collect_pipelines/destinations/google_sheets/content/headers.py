"""What stands above a column, and the note that explains it."""

from collections.abc import Sequence

from collect_pipelines.destinations.google_sheets.content.cells import MAX_CELL_UNITS
from collect_pipelines.forms.columns import Column
from collect_pipelines.forms.definition import label_in

__all__ = ["header_of", "note_of", "unlike"]

MOST_CHOICES = 20  # in a note: more are read in the form
MOST_NOTE = 2000  # characters; a note is shown beside the pointer
OURS = "Written by collect-pipelines. You may rename, move, hide and colour this column."


def header_of(column: Column) -> str:
    """The heading, as much of it as a cell takes."""
    return (column.label or column.key)[: MAX_CELL_UNITS // 2]


def note_of(column: Column, language: str | None) -> str:
    """The question in full, its key, type and choices, and whose the column is."""
    question = column.question
    asked = label_in(question.label, language, column.key)
    hint = label_in(question.hint, language, "")
    choices = [f"{one.code} = {label_in(one.label, language, one.code)}" for one in question.choices[:MOST_CHOICES]]
    more = len(question.choices) - len(choices)
    lines = [asked, hint, f"Key: {column.key}; type: {column.type}", *choices, f"and {more} more choices" if more > 0 else ""]
    told = "\n".join(line for line in lines if line)
    return f"{told[:MOST_NOTE]}\n{OURS}"


def unlike(headers: Sequence[str]) -> list[str]:
    """The headers, later ones that repeat an earlier one with a number: two columns never look the same."""
    seen: set[str] = set()
    result = []
    for header in headers:
        different, number = header, 2
        while different in seen:
            different, number = f"{header} ({number})", number + 1
        seen.add(different)
        result.append(different)
    return result
