"""The folder or bucket of a Parquet warehouse, opened through dlt's file systems; files there appear whole or not at all."""

import fcntl
import io
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from collect_pipelines.destinations.warehouse.files import PASS_THROUGH
from collect_pipelines.errors import TryLater

__all__ = ["Folder"]

BUSY_SECONDS = 2.0
MADE = 0o700  # of folders made here: answers are for nobody else (promise 10); files take the rights of their folder


class Folder:
    """Tables in one place; every name is relative to it, with `/` between its parts."""

    def __init__(self, files: Any, root: str, *, local: bool) -> None:
        self._files, self._root, self.local = files, root.rstrip("/"), local

    def names(self, table: str) -> list[str]:
        """Names of the Parquet files of a table, sorted."""
        place = self._at(table)
        self._files.invalidate_cache()
        if not self._files.exists(place):
            return []
        found = (str(name).rpartition("/")[2] for name in self._files.ls(place, detail=False))
        return sorted(f"{table}/{name}" for name in found if name.endswith(".parquet") and not name.startswith("."))

    def open(self, name: str) -> Any:
        """The file for reading, as a binary stream."""
        return self._files.open(self._at(name), "rb")

    def size(self, name: str) -> int:
        """Bytes of the file."""
        return int(self._files.size(self._at(name)))

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        return bool(self._files.exists(self._at(name)))

    def replace(self, name: str, frame: pl.DataFrame) -> None:
        """Puts the frame in the place of the file in one step: a reader sees the old file or the new one, also after a crash."""
        content = io.BytesIO()
        frame.write_parquet(content, compression="zstd", statistics=True, row_group_size=ROWS_PER_GROUP)
        if self.local:
            _replace_local(Path(self._at(name)), content.getbuffer())
        else:
            self._files.pipe_file(self._at(name), content.getvalue())  # object stores show an object when all of it has arrived

    def remove(self, name: str) -> None:
        """Removes the file if it is there."""
        if self.exists(name):
            self._files.rm_file(self._at(name))

    @contextmanager
    def only_process(self, table: str) -> Iterator[None]:
        """
        Keeps other processes out of the table while the block lasts; raises TryLater when one is in it.

        Only on a local disk. In a bucket the lease of the integration alone says who may write.
        """
        if not self.local:
            yield
            return
        place = Path(self._at(table))
        _make_folder(place)
        with (place / ".lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # freed by the kernel when the process dies
            except BlockingIOError as exc:
                raise TryLater(f"Another process is loading into {place} right now.", after=BUSY_SECONDS) from exc
            for left in place.glob(".*.new"):  # by a process that was killed while writing
                left.unlink()
            yield

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"


ROWS_PER_GROUP = 50_000  # a reader skips what it does not need by group; smaller ones compress worse


def _make_folder(place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True, mode=PASS_THROUGH)
    place.mkdir(exist_ok=True, mode=MADE)


def _replace_local(path: Path, content: memoryview) -> None:
    _make_folder(path.parent)
    fresh = path.with_name(f".{uuid.uuid4().hex}.new")
    rights = path.parent.stat().st_mode & 0o666  # who may look into the folder may read what is in it
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), rights)
            os.fsync(file.fileno())
    except OSError:
        fresh.unlink(missing_ok=True)  # a full disk should not be fuller for it
        raise
    _appear(fresh, path)


def _appear(fresh: Path, path: Path) -> None:
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the name survives a power failure too
    finally:
        os.close(folder)
