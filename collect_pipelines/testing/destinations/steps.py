"""The moments at which a delivery can be interrupted: around each call of its context, and before each touch of a file."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

__all__ = ["Action", "Steps", "unseen"]

Action = Literal["kill", "stop"]

FILE_EVENTS = frozenset(
    {
        "os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.truncate", "shutil.copyfile",
        "shutil.move", "sqlite3.connect",
    }
)  # fmt: skip
WRITING_MODES = frozenset("wax+")
WRITING_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
UNINTERESTING = (".pyc", "/dev/null", "__pycache__")

_inside = threading.local()


@contextmanager
def unseen() -> Iterator[None]:
    """Files touched in the block, in this thread, are ours and no step."""
    before = getattr(_inside, "ours", False)
    _inside.ours = True
    try:
        yield
    finally:
        _inside.ours = before


class Steps:
    """Counts moments, and interrupts this process at one of them. `watch_files` can't be undone: only for processes that end soon."""

    def __init__(self, at: int | None = None, action: Action = "kill") -> None:
        self.names: list[str] = []
        self._at, self._signal = at, signal.SIGKILL if action == "kill" else signal.SIGSTOP

    def __call__(self, name: str) -> None:
        """A moment."""
        self.names.append(name)
        if len(self.names) == self._at:
            os.kill(os.getpid(), self._signal)

    def watch_files(self) -> None:
        """From now on each touch of a file is a moment, just before it happens."""
        sys.addaudithook(self._heard)

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" and event not in FILE_EVENTS:
            return
        if getattr(_inside, "ours", False) or (event == "open" and not _writes(arguments)):
            return
        path = str(arguments[0])
        if not path.endswith(UNINTERESTING) and UNINTERESTING[-1] not in path:
            self(f"{event} {path}")


def _writes(arguments: tuple[Any, ...]) -> bool:
    mode, flags = arguments[1], arguments[2]
    if isinstance(mode, str):
        return bool(WRITING_MODES & set(mode))
    return isinstance(flags, int) and bool(flags & WRITING_FLAGS)
