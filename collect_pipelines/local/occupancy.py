"""One run of `collect up` per data folder: the next one waits until every process of a killed one has ended."""

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from collect_pipelines.errors import Conflict, Unavailable

__all__ = ["Occupancy"]

LOCK_FILE = "up.lock"
PATIENCE_SECONDS = 60.0  # the guards of a killed run end what is left within 30
POLL_SECONDS = 0.1


class Occupancy:
    """A data folder taken by this process; whoever inherits `descriptor` keeps it taken too."""

    def __init__(self, folder: Path, *, say: Callable[[str], None]) -> None:
        self._path = folder / LOCK_FILE
        self._say = say
        self._descriptor: int | None = None

    @property
    def descriptor(self) -> int:
        """The lock's file descriptor, to be passed to the guards of children."""
        assert self._descriptor is not None
        return self._descriptor

    def take(self) -> None:
        """Raises Conflict while another run is alive; waits for what a killed one left, and raises Unavailable when it stays."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._lock(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {_started(os.getpid())}".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Gives the folder back; it is free once no child of this run is left."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _lock(self, descriptor: int) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        told = False
        while not _locked(descriptor):
            if owner := self._living_owner():
                raise Conflict(
                    f"Process {owner} already runs everything in {self._path.parent}.",
                    fix="Stop it first, or set COLLECT_DATA_DIR (and the ports) for a second installation.",
                )
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"Processes of an earlier run in {self._path.parent} are still there after {PATIENCE_SECONDS:.0f} s.",
                    fix=f"End them; `fuser {self._path}` names them.",
                )
            if not told:
                self._say("Waiting for the processes of an earlier run to end.")
                told = True
            time.sleep(POLL_SECONDS)

    def _living_owner(self) -> str | None:
        """Process id of the run that took the folder; None when it is gone, also when its number belongs to another by now."""
        pid, _, started = self._path.read_text("ascii").partition(" ")
        return pid if pid and started and _started(int(pid)) == started else None


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _started(pid: int) -> str | None:
    """When the process started, in ticks since the boot: what tells it from a later one of the same number. None for a dead one."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if state in "ZX" else fields[18]
