"""One process of checks as its parent holds it: started clean, spoken to over a socket pair, killed with all it started."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from collect_pipelines.checks.isolation.wire import MAX_ANSWER_BYTES, Frames
from collect_pipelines.checks.verdict import Nonsense

__all__ = ["Child", "clean_environment"]

# All a check may know of the environment of ingest: how to run, never whom to connect to.
KEPT_VARIABLES = ("LANG", "LC_ALL", "LC_CTYPE", "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "PYTHONPYCACHEPREFIX", "TMPDIR", "TZ")
LOWER_PRIORITY = 3  # a check that spins gets half of the time that ingest gets where both want it
OTHER_SIGN_SECONDS = 0.1  # a process that ends gives two signs, its closed socket and its exit code; the second may come later

Message = dict[str, Any]


class Child(asyncio.Protocol):
    """
    A running `collect_pipelines.checks.isolation.host`.

    heard: called with each document it sends. ended: called once, when the process is gone or talks nonsense; with the reason.
    """

    def __init__(self, kind: str, memory_bytes: int, heard: Callable[[Message], None], ended: Callable[[str], None]) -> None:
        """Starts the process from a thread of its own; call it in the event loop that speaks to it."""
        self._kind = kind
        self._memory_bytes = memory_bytes
        self._heard = heard
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._frames = Frames(MAX_ANSWER_BYTES)
        self._lock = threading.Lock()  # between killing it and learning that it is gone
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = self._gone = self._closed = False
        self._ending: str | None = None
        self._transport: asyncio.Transport | None = None
        self._unsent: list[bytes] = []
        self.finished = threading.Event()
        threading.Thread(target=self._live, name=f"checks {kind}", daemon=True).start()

    @property
    def pid(self) -> int | None:
        """None until it is started."""
        return self._process.pid if self._process else None

    def send(self, data: bytes) -> None:
        """Sends a frame, at once or as soon as it runs."""
        if self._transport is None:
            self._unsent.append(data)
        elif not self._closed and not self._transport.is_closing():  # else its end is told in a moment, and what it was asked with it
            self._transport.write(data)

    def kill(self) -> None:
        """Ends it and everything it started, whatever they are doing; nothing is heard of it any more."""
        with self._lock:
            self._killed = True
            self._strike()
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Part of asyncio.Protocol."""
        try:
            for document in self._frames.feed(data):
                if self._killed:
                    return
                if not isinstance(document, dict):
                    raise Nonsense("sent something that is not a message")
                self._heard(document)
        except Nonsense as exc:
            self.kill()
            self._ended(str(exc))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio.Protocol."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one without saying so
        for data in self._unsent:
            self._transport.write(data)
        self._unsent.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of asyncio.Protocol. Usually the process has ended, and how it ended is worth a moment's wait."""
        self._closed = True
        if self._ending is not None:
            self._lost(self._ending)
        else:
            self._loop.call_later(OTHER_SIGN_SECONDS, self._lost, "closed its connection")

    def _live(self) -> None:
        try:
            ours, process = self._start()
        except OSError as exc:
            reason = f"could not be started ({exc.strerror or type(exc).__name__})"
            self._tell(lambda: self._lost(reason))
            self.finished.set()
            return
        with self._lock:
            self._process = process
            if self._killed:  # while it was starting
                self._strike()
        self._tell(lambda: self._connect(ours))
        self._bury(process)
        self._tell(lambda: self._over(process.returncode))

    def _start(self) -> tuple[socket.socket, "subprocess.Popen[bytes]"]:
        ours, theirs = socket.socketpair()
        own = (str(theirs.fileno()), self._kind, str(self._memory_bytes), str(os.getpid()))
        try:
            process = subprocess.Popen(  # noqa: S603 - our own module, an argument list, no shell
                [sys.executable, "-P", "-m", "collect_pipelines.checks.isolation.host", *own],
                stdin=subprocess.DEVNULL,
                # Promise 10: what it prints may hold answers, so it goes nowhere.
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=clean_environment(),
                cwd=tempfile.gettempdir(),
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # a group of its own: it is killed with what it started, and Ctrl-C is not for it
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        _step_back(process.pid)
        return ours, process

    def _bury(self, process: "subprocess.Popen[bytes]") -> None:
        """Waits for the end, then ends what the process left behind; only then its number may be given to another one."""
        if hasattr(os, "waitid"):
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            with self._lock:
                self._strike()
                self._gone = True
        process.wait()
        with self._lock:
            self._gone = True
        self.finished.set()

    def _strike(self) -> None:
        if self._process is not None and not self._gone:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _tell(self, call: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is closed: nobody listens
            self._loop.call_soon_threadsafe(call)

    def _connect(self, ours: socket.socket) -> None:
        if self._killed:
            ours.close()
            return
        ours.setblocking(False)
        task = self._loop.create_task(self._loop.create_unix_connection(lambda: self, sock=ours))
        task.add_done_callback(lambda done: None if done.cancelled() or done.exception() is None else self._lost("could not be reached"))

    def _over(self, code: int) -> None:
        self._ending = f"ended ({_ending(code)})"
        if self._closed or self._transport is None:
            self._lost(self._ending)
        else:  # what it said last may still lie in the socket; it is read to the end before the connection is lost
            self._loop.call_later(OTHER_SIGN_SECONDS, self._lost, self._ending)

    def _lost(self, reason: str) -> None:
        if not self._killed:
            self.kill()
            self._ended(reason)


def clean_environment() -> dict[str, str]:
    """What a process of checks gets to see: no setting and no secret, and the same modules as we do."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return kept | {"PYTHONPATH": os.pathsep.join(str(Path(place).absolute()) for place in sys.path)}


def _step_back(pid: int) -> None:
    """Lets everybody else go first where time is short: a response can do without its checks, but not without ingest."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, LOWER_PRIORITY)
        # Where Linux groups processes by session, a process of its own session has to say so for its group.
        Path(f"/proc/{pid}/autogroup").write_text(str(LOWER_PRIORITY))


def _ending(code: int) -> str:
    return f"by {signal.Signals(-code).name}" if code < 0 and -code in set(signal.Signals) else f"exit code {code}"
