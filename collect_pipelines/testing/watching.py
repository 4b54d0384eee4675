"""What a plug-in does besides answering: how long it takes, and what it touches outside itself."""

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["TookTooLong", "outside_effects", "sleeping", "within"]

# Audit events of Python that tell of an effect outside the process; `open` counts when it may write.
EFFECTS = frozenset(
    {
        "os.exec", "os.fork", "os.forkpty", "os.kill", "os.mkdir", "os.posix_spawn", "os.putenv", "os.remove", "os.rename", "os.rmdir",
        "os.system", "os.unsetenv", "pty.spawn", "shutil.copyfile", "shutil.move", "shutil.rmtree", "smtplib.connect",
        "socket.bind", "socket.connect", "socket.getaddrinfo", "socket.gethostbyaddr", "socket.gethostbyname", "socket.sendmsg",
        "socket.sendto", "sqlite3.connect", "subprocess.Popen", "tempfile.mkdtemp", "tempfile.mkstemp", "urllib.Request",
    }
)  # fmt: skip
WRITING = frozenset("wax+")
LONG_SLEEP_SECONDS = 0.25  # libraries look around in shorter ones

_effects: list[str] | None = None
_hooked = False


class TookTooLong(BaseException):
    """Raised in the middle of a call that overruns; no `except Exception` of a plug-in catches it."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raises TookTooLong when the block takes longer, where signals can interrupt it: in the main thread, outside stubborn C code."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: Any) -> None:
        raise TookTooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def sleeping() -> Iterator[list[float]]:
    """How long this thread slept each time while the block ran; long sleeps are noted and not waited for."""
    slept: list[float] = []
    me, sleep = threading.current_thread(), time.sleep

    def noting(seconds: float, /) -> None:
        if seconds < LONG_SLEEP_SECONDS or threading.current_thread() is not me:
            sleep(seconds)
        else:
            slept.append(seconds)

    time.sleep = noting  # type: ignore[assignment] # SupportsIndex is no concern here
    try:
        yield slept
    finally:
        time.sleep = sleep


@contextmanager
def outside_effects() -> Iterator[list[str]]:
    """Names of what was touched outside the process while the block ran."""
    global _effects, _hooked
    if not _hooked:
        sys.addaudithook(_note)  # it stays for ever, so there is one for all
        _hooked = True
    found: list[str] = []
    _effects = found
    try:
        yield found
    finally:
        _effects = None


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if _effects is None:
        return
    if event in EFFECTS:
        _effects.append(event)
    elif event == "open" and isinstance(arguments[1], str) and WRITING & set(arguments[1]):
        _effects.append("open for writing")
