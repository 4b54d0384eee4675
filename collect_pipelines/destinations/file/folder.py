"""Writing files that are whole or not there, that other users can't read, and that one process at a time writes."""

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from collect_pipelines.errors import Blocked, CollectError, TryLater

__all__ = ["Folder"]

BUSY_SECONDS = 2.0  # another process of ours writes for about so long
OWNER, OWNER_AND_GROUP = 0o600, 0o640
OWNER_FOLDER, GROUP_FOLDER, PASS_THROUGH = 0o700, 0o750, 0o711
FRESH = ".new"  # end of the name of a file that is being written

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DENIED = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOENT,
)  # fmt: skip


@dataclass(frozen=True)
class Folder:
    """A folder that files of ours are in."""

    path: Path
    guard: Callable[[], None]
    """Called before every write; raises when this process may not write any more."""
    group_readable: bool = False

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turns what the file system raises in the block into Blocked or TryLater with what to do."""
        try:
            yield
        except OSError as exc:
            raise self._explanation(exc) from exc

    def make(self) -> None:
        """Makes the folder, and those around it, when they are missing."""
        missing = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        for folder in reversed(missing):
            # Promise 10: answers are for nobody else on the machine. Not listed, but passed through: it may be the data folder.
            folder.mkdir(mode=PASS_THROUGH, exist_ok=True)
        if missing:
            self.path.chmod(GROUP_FOLDER if self.group_readable else OWNER_FOLDER)

    def try_out(self) -> int:
        """Writes and removes a file; returns the free bytes."""
        probe = self.path / f".probe-{token_hex(8)}"
        try:
            self._write_new(probe, b"x")
        finally:
            probe.unlink(missing_ok=True)
        return shutil.disk_usage(self.path).free

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """
        Makes this the only process that writes files of this name; raises TryLater while another does.

        A worker that was stopped in the middle and lost its lease still holds it: nobody writes beside it.
        """
        lock = os.open(self.path / f".{name}.lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, OWNER)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as exc:
            raise TryLater(f"Another process is writing {self.path / name} right now.", after=BUSY_SECONDS) from exc
        finally:
            os.close(lock)

    def write(self, name: str, content: bytes) -> None:
        """Puts the file in its place, on the disk when this returns; whoever reads sees the old one or the new one."""
        fresh = self.path / f".{name.lstrip('.')}{FRESH}"
        self.guard()
        try:
            self._write_new(fresh, content)
            fresh.replace(self.path / name)
        except OSError:
            with suppress(OSError):
                fresh.unlink()  # a full disk should not be fuller for it
            raise
        self.sync()

    def read(self, name: str) -> bytes | None:
        """The file's content; None when there is no such file."""
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        """Removes the file if it is there; for good once `sync` returns."""
        self.guard()
        (self.path / name).unlink(missing_ok=True)

    def names(self) -> list[str]:
        """Names of everything in the folder."""
        return sorted(entry.name for entry in os.scandir(self.path))

    def clean(self, beginning: str) -> None:
        """Removes what killed processes left half written, of hidden files that begin so."""
        for name in self.names():
            if name.startswith(beginning) and name.endswith(FRESH):
                self.remove(name)

    def sync(self) -> None:
        """Names that were put, replaced and removed are on the disk when this returns."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _write_new(self, path: Path, content: bytes) -> None:
        with suppress(FileNotFoundError):
            path.unlink()
        mode = OWNER_AND_GROUP if self.group_readable else OWNER
        # Promise 10: private from its first byte on; O_EXCL follows no link that somebody laid there
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            os.fchmod(descriptor, mode)
            view = memoryview(content)
            while view:
                view = view[file.write(view) :]
            os.fsync(descriptor)

    def _explanation(self, error: OSError) -> CollectError:
        said = error.strerror or type(error).__name__
        if error.errno in _FULL:
            return Blocked(f"There is no room left to write into {self.path}: {said}.", fix="Free space on its disk.")
        if error.errno in _DENIED:
            return Blocked(
                f"{self.path} can't be used: {said}.", fix="Let the account of the workers write there, or set another `folder`."
            )
        return TryLater(f"Writing into {self.path} failed: {said}.", unknown=True)
