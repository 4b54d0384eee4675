"""All spreadsheets of a data folder: found by id, loaded when first used, changed one at a time."""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from collect_pipelines.local.sheets.errors import missing_entity
from collect_pipelines.local.sheets.limits import RESIDENT_ROWS
from collect_pipelines.local.sheets.storage import WorkbookFile
from collect_pipelines.local.sheets.workbook import Workbook

__all__ = ["Library", "Shelf"]

Listener = Callable[[str], None]
FILE_ID_BYTES = 33  # 44 letters in base64, the length of Google's ids


class Shelf:
    """The place of one spreadsheet: readers take the committed state, one writer at a time makes the next."""

    def __init__(self, file: WorkbookFile, current: Workbook, changed: Listener, used: "Callable[[Shelf], None]") -> None:
        """`changed` is told the file id after each change, `used` the shelf whenever it holds its rows in memory."""
        self._file = file
        self._current = current
        self._changed = changed
        self._used = used
        self._lock = threading.Lock()
        self._removed = False

    @property
    def header(self) -> Workbook:
        """The file record, title and tabs, perhaps without rows and metadata."""
        return self._current

    def read(self) -> Workbook:
        """The committed state; it never changes under the reader."""
        current = self._current
        if not current.complete:
            with self._lock:
                current = self._load()
        self._used(self)
        return current

    @contextmanager
    def change(self) -> Iterator[Workbook]:
        """A draft that becomes the state when the block ends well, and is forgotten when it raises."""
        with self._lock:
            if self._removed:
                # A call that waited while the file was deleted must not bring it back.
                raise missing_entity()
            draft = self._load().draft()
            yield draft
            self._file.commit(self._current, draft)
            self._current = draft
        self._used(self)
        self._changed(draft.file.file_id)

    def rest(self) -> None:
        """Lets go of rows and metadata, which are on disk; the next use reads them again. Does nothing while somebody writes."""
        if self._lock.acquire(blocking=False):
            try:
                self._current = self._current.header()
                self._file.close()
            finally:
                self._lock.release()

    def close(self, *, removed: bool = False) -> None:
        """Closes the file; a removed one takes no more changes."""
        with self._lock:
            self._removed = removed
            self._file.close()

    def _load(self) -> Workbook:
        if not self._current.complete:
            self._current = self._file.load()
        return self._current


class Library:
    """The spreadsheets under `folder`, by file id."""

    def __init__(self, folder: Path, *, resident_rows: int = RESIDENT_ROWS, durable: bool = True) -> None:
        """Reads the header of every spreadsheet found; `resident_rows` is how many rows may stay in memory besides those in use."""
        self._folder = folder
        self._resident_rows = resident_rows
        self._durable = durable
        self._resident: OrderedDict[int, tuple[Shelf, int]] = OrderedDict()
        self._rows = 0
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = threading.Lock()
        self.listeners: list[Listener] = []
        self._shelves: dict[str, Shelf] = {}
        for path in sorted(self._folder.glob("*.sqlite")):
            file = WorkbookFile(path, durable=durable)
            self._shelves[path.stem] = Shelf(file, file.header(), self._tell, self._used)

    def find(self, file_id: str) -> Shelf | None:
        """The place of a spreadsheet, None when there is none."""
        return self._shelves.get(file_id)

    def all(self) -> list[Shelf]:
        """Every spreadsheet, trashed ones too."""
        return list(self._shelves.values())

    def new_id(self) -> str:
        """A fresh file id."""
        return "1" + secrets.token_urlsafe(FILE_ID_BYTES)[:43]

    def add(self, workbook: Workbook) -> None:
        """Stores a new spreadsheet."""
        file_id = workbook.file.file_id
        file = WorkbookFile(self._folder / f"{file_id}.sqlite", durable=self._durable)
        file.commit(None, workbook)
        with self._lock:
            self._shelves[file_id] = Shelf(file, workbook, self._tell, self._used)
        self._tell(file_id)

    def remove(self, file_id: str) -> None:
        """Deletes a spreadsheet for good."""
        with self._lock:
            shelf = self._shelves.pop(file_id)
            self._rows -= self._resident.pop(id(shelf), (shelf, 0))[1]
        shelf.close(removed=True)
        for path in self._folder.glob(f"{file_id}.sqlite*"):
            path.unlink(missing_ok=True)
        self._tell(file_id)

    def close(self) -> None:
        """Closes every file."""
        for shelf in self.all():
            shelf.close()

    def _used(self, shelf: Shelf) -> None:
        """Puts spreadsheets to rest, the longest unused first, while too many rows are in memory; the one in use stays."""
        rows, resting = shelf.header.stored_rows, []
        with self._lock:
            self._rows += rows - self._resident.pop(id(shelf), (shelf, 0))[1]
            self._resident[id(shelf)] = (shelf, rows)
            while self._rows > self._resident_rows and len(self._resident) > 1:
                _, (idle, idle_rows) = self._resident.popitem(last=False)
                self._rows -= idle_rows
                resting.append(idle)
        for idle in resting:
            idle.rest()

    def _tell(self, file_id: str) -> None:
        for listener in list(self.listeners):
            listener(file_id)
