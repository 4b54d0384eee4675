"""TCP ports: which are free, and who holds one that is not."""

import contextlib
import errno
import socket
from dataclasses import dataclass
from pathlib import Path

from collect_pipelines.errors import PortTaken

__all__ = ["Holder", "free_port", "holder_of", "require_free"]

LISTEN = "0A"  # state column of /proc/net/tcp


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that listens on a port."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"


def free_port(host: str = "127.0.0.1") -> int:
    """A port free at this moment; another process may still take it first."""
    with socket.socket(_family(host)) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def require_free(port: int, setting: str, host: str = "127.0.0.1") -> None:
    """Raises PortTaken, naming the process that listens there and the setting to change."""
    with socket.socket(_family(host)) as probe:
        # As every server does: ports left in TIME_WAIT by an earlier run are free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as exc:
            raise _refusal(port, setting, host, exc) from exc


def _refusal(port: int, setting: str, host: str, exc: OSError) -> PortTaken:
    if exc.errno == errno.EADDRINUSE:
        holder = holder_of(port)
        by = str(holder) if holder else "another process"
        return PortTaken(f"Port {port} on {host} is used by {by}.", fix=f"Stop that process, or set {setting} to another port.")
    reason = exc.strerror or str(exc)
    return PortTaken(f"Port {port} on {host} can't be used: {reason}.", fix=f"Set {setting} to a port this user may bind.")


def holder_of(port: int) -> Holder | None:
    """The process listening on the port; None when there is none or this user may not see it."""
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    if not sockets:
        return None
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _holds(entry, sockets):
            return Holder(pid=int(entry.name), name=_name(entry))
    return None


def _listening_inodes(port: int) -> set[str]:
    found = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path("/proc/net", table).read_text("ascii").splitlines()[1:]:
                columns = line.split()
                if columns[3] == LISTEN and int(columns[1].rpartition(":")[2], 16) == port:
                    found.add(columns[9])
    return found


def _holds(process: Path, sockets: set[str]) -> bool:
    # Processes end while we look and those of other users can't be read: both are "no".
    with contextlib.suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                if str(descriptor.readlink()) in sockets:
                    return True
    return False


def _name(process: Path) -> str:
    with contextlib.suppress(OSError):
        return (process / "comm").read_text("utf-8", errors="replace").strip()
    return "a process"


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
