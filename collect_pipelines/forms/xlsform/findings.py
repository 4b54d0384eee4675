"""What is told about a workbook: faults that refuse it and notes about what is kept but not enforced, each with its cell."""

from dataclasses import dataclass, field

from collect_pipelines.errors import FormInvalid

__all__ = ["Cell", "Findings", "Note"]

MAX_PROBLEMS = 100  # more are not read by a person, and looking for what was meant takes time; the rest shows after the next round
MAX_NOTES = 2_000  # two for each question a form may have
MAX_QUOTED = 200  # characters of a cell's text repeated in a note
_FIX = "Correct the cells named above and import again; docs/xlsform.md explains what is understood."


@dataclass(frozen=True, slots=True)
class Cell:
    """A place in a workbook: a sheet, a row counted from 1 as spreadsheet programs show it, and a column by its header."""

    sheet: str
    row: int | None = None
    column: str | None = None

    def __str__(self) -> str:
        parts = [f"sheet {self.sheet}"]
        if self.row is not None:
            parts.append(f"row {self.row}")
        if self.column is not None:
            parts.append(f"column {self.column}")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Note:
    """Something the form does not do although the workbook asks for it, and what to do about it."""

    cell: Cell | None
    message: str
    text: str = ""
    """What stands in the cell; kept in the definition's metadata."""

    def __str__(self) -> str:
        place = f"{self.cell}: " if self.cell else ""
        return f"{place}{quoted(self.text)}{self.message}" if self.text else f"{place}{self.message}"


def quoted(text: str) -> str:
    """A cell's text on one line, shortened, to put before a message."""
    line = " ".join(text.split())
    return f"`{line if len(line) <= MAX_QUOTED else line[:MAX_QUOTED] + '...'}` "


@dataclass(slots=True)
class Findings:
    """Everything found in one workbook."""

    source: str
    notes: list[Note] = field(default_factory=list)
    faults: list[tuple[Cell | None, str]] = field(default_factory=list)

    def note(self, cell: Cell | None, message: str, text: str = "") -> None:
        """Something kept and told."""
        found = Note(cell, message, text)
        if found not in self.notes[-1:] and len(self.notes) < MAX_NOTES:
            self.notes.append(found)

    def fault(self, cell: Cell | None, message: str) -> None:
        """Something that refuses the workbook. Raises FormInvalid when there is enough to correct already."""
        if (cell, message) not in self.faults:
            self.faults.append((cell, message))
        if len(self.faults) > MAX_PROBLEMS:
            raise self.refused()

    def stop_if_faulty(self) -> None:
        """Raises FormInvalid with every fault found so far, if there is one."""
        if self.faults:
            raise self.refused()

    def refused(self) -> FormInvalid:
        """The error that tells every fault."""
        problems = [f"{self.source}: {cell}: {message}" if cell else f"{self.source}: {message}" for cell, message in self.faults]
        shown = problems[:MAX_PROBLEMS]
        count = "One fault" if len(problems) == 1 else f"{len(shown)} faults"
        count = f"More than {count}" if len(problems) > len(shown) else count
        return FormInvalid(f"{count} in {self.source}: {shown[0]}" + (" ..." if len(problems) > 1 else ""), problems=shown, fix=_FIX)

    def refusal(self, message: str, cell: Cell | None = None) -> FormInvalid:
        """The error for a fault after which nothing more can be read."""
        self.faults.append((cell, message))
        return self.refused()
