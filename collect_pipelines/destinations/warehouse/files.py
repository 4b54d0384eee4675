"""Files that hold answers can be read by their owner only."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["PASS_THROUGH", "private_files"]

PASS_THROUGH = 0o711  # of a folder made for the file: it may be the data folder, where Postgres' own user passes through


@contextmanager
def private_files() -> Iterator[None]:
    """
    What is made in the block can be read by its owner only: a DuckDB file and its log, the read copy, dlt's working folder.

    The umask belongs to the whole process, so files that other threads make meanwhile are private too.
    """
    # Promise 10: answers are for nobody else on the machine
    with _lock:
        if not _blocks:
            _before.append(os.umask(0o077))
        _blocks.append(1)
    try:
        yield
    finally:
        with _lock:
            _blocks.pop()
            if not _blocks:
                os.umask(_before.pop())


_lock = threading.Lock()
_blocks: list[int] = []  # one per thread inside: the first sets the umask, the last restores it
_before: list[int] = []
