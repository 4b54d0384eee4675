"""What went wrong with the DuckDB file, told as what to do next."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from dlt.common.exceptions import DltException
from dlt.common.schema.exceptions import DataValidationError

from collect_pipelines.errors import Blocked, CollectError, TryLater

__all__ = ["BUSY_SECONDS", "busy", "explained", "unreadable"]

BUSY_SECONDS = 2.0  # a load of another process takes about a second
OPEN_ELSEWHERE_SECONDS = 15.0  # a person's session lasts longer than a load; no need to knock every second

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_TEXTS = ("No space left on device", "Disk quota exceeded", "File too large")
_UNREADABLE_TEXTS = ("not a valid DuckDB database file", "does not match stored checksum", "read the database file with version number")
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)
_DENIED_TEXTS = ("Permission denied", "Read-only file system", "Is a directory", "Not a directory")


def busy(path: Path) -> TryLater:
    """Another process of ours is loading into the file."""
    return TryLater(f"Another process is loading into {path} right now.", after=BUSY_SECONDS)


def unreadable(path: Path) -> Blocked:
    """The file is something else, or was written by a newer DuckDB."""
    return Blocked(f"{path} is not a DuckDB file this version can read.", fix=_rebuild(path))


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns what DuckDB, dlt and the file system raise inside the block into TryLater or Blocked."""
    try:
        yield
    except (OSError, duckdb.Error, DltException) as exc:
        raise _explanation(path, exc) from exc


def _explanation(path: Path, error: BaseException) -> CollectError:
    """What the innermost link of the chain that says something means: dlt wraps DuckDB's and the file system's errors."""
    chain = [error]
    while (inner := chain[-1].__cause__ or chain[-1].__context__) is not None and inner not in chain:
        chain.append(inner)
    for link in reversed(chain):
        if isinstance(link, OSError | duckdb.Error | DataValidationError) and (told := _told(path, link)):
            return told
    # only the class: the message of a failed load may quote an answer (promise 10)
    name = next((type(link).__name__ for link in reversed(chain) if isinstance(link, OSError | duckdb.Error)), type(error).__name__)
    return TryLater(f"Loading into {path} failed ({name}).", unknown=True)


def _told(path: Path, cause: BaseException) -> CollectError | None:
    text = str(cause)
    number = cause.errno if isinstance(cause, OSError) else None
    if "Could not set lock" in text:
        holder = re.search(r"held in (\S+) \(PID (\d+)\)", text)
        who = f"{Path(holder[1]).name}, process {holder[2]}" if holder else "another program"
        return TryLater(
            f"{path} is open in {who}. Close it there, or query the read copy beside it, which never stands in the way.",
            after=OPEN_ELSEWHERE_SECONDS,
        )
    if isinstance(cause, duckdb.ConnectionException):
        return TryLater(f"{path} is open in this process with other settings. Close that connection.", after=OPEN_ELSEWHERE_SECONDS)
    if number in _FULL or any(part in text for part in _FULL_TEXTS):
        return Blocked(f"There is no room left to write {path}.", fix=f"Free space on the disk of {path.parent}, then resume.")
    if isinstance(cause, duckdb.SerializationException) or any(part in text for part in _UNREADABLE_TEXTS):
        return unreadable(path)
    if number in _DENIED or (isinstance(cause, duckdb.IOException) and any(part in text for part in _DENIED_TEXTS)):
        return Blocked(
            f"{path} can't be written: {_plain(cause)}.",
            fix=f"Give this process write access to {path.parent}, or set another path in the integration's configuration.",
        )
    if isinstance(cause, DataValidationError):
        return Blocked(f"Table {cause.table_name}, column {cause.column_name}: the stored type is not the form's type.", fix=_rebuild(path))
    return None


def _plain(cause: BaseException) -> str:
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return next((part for part in _DENIED_TEXTS if part in str(cause)), type(cause).__name__)


def _rebuild(path: Path) -> str:
    return f"Move {path} away, pause this integration and add another with `collect integrations add`: it is filled from Postgres anew."
