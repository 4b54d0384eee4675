"""Log files of child processes, bounded in size while the child writes."""

import os
import shutil
from pathlib import Path
from typing import IO, Literal

__all__ = ["LogFile", "open_private"]

MAX_LOG_BYTES = 20 * 1024 * 1024  # kept twice per process: days of an ordinary server
TAIL_BYTES = 4096
TAIL_LINES = 8


def open_private(path: Path, mode: Literal["ab", "wb"] = "ab") -> IO[bytes]:
    """A log to write to, readable by its owner only, also when it was not before: messages of strangers may hold answers."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | (os.O_APPEND if mode == "ab" else os.O_TRUNC), 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, mode)


class LogFile:
    """One process's log: `NAME.log`, and `NAME.log.1` with what was before."""

    def __init__(self, path: Path, most: int = MAX_LOG_BYTES) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._most = most

    def open(self) -> IO[bytes]:
        """For a child to write to: every write goes to the end, wherever that is by then."""
        return open_private(self.path)

    def bound(self) -> None:
        """Moves the content aside once it is too large. The child's file stays open: the file is copied, then emptied."""
        try:
            if self.path.stat().st_size > self._most:
                with self.path.open("rb") as present, open_private(self.path.with_suffix(".log.1"), "wb") as kept:
                    shutil.copyfileobj(present, kept)
                os.truncate(self.path, 0)
        except FileNotFoundError:
            return

    def tail(self) -> str:
        """The last lines, for an error message."""
        try:
            with self.path.open("rb") as file:
                file.seek(max(self.path.stat().st_size - TAIL_BYTES, 0))
                lines = file.read().decode("utf-8", errors="replace").strip().splitlines()
        except FileNotFoundError:
            return ""
        return "\n".join(lines[-TAIL_LINES:])
