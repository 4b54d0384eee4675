"""
Keeps one program for the process that started this one: run by path with `python -I -S`, standard library only.

The plan is the first argument, as JSON: `{"argv", "stop": [[signal number, seconds], ...], "everyone": bool, "uid", "gid", "groups"}`.
The guard starts the program in a session of its own and ends it, and everything it started, as soon as
standard input closes (our parent went away, however it died), SIGTERM arrives, or the program itself ends.
It leaves with the program's exit code, or 128 + signal.

A pipe is used for the parent and not the kernel's parent-death signal, because that one fires when the *thread* that
started the child ends. The guard itself has one thread, so it can use the parent-death signal for its own child.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import time
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
KILL_SECONDS = 5.0  # a killed process can stay that long in an uninterruptible disk wait before we stop waiting for it
START_FAILED = 127  # what a shell answers for a program that can't be started


def prctl(option: int, value: int) -> None:
    """Does nothing where the kernel is not Linux: the pipe still works there."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def start(plan: dict[str, Any]) -> int:
    """The pid of the program, already running with its own session, user and parent-death signal."""
    guard = os.getpid()
    # A request to end that comes before the program runs must wait for it: the guard's own handler would swallow it.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        return pid
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setsid()
        if plan.get("uid") is not None:
            os.setgroups(plan.get("groups") or [])
            os.setgid(plan["gid"])
            os.setuid(plan["uid"])
        # After setuid: a change of user clears the parent-death signal.
        prctl(PR_SET_PDEATHSIG, plan["stop"][0][0])
        if os.getppid() != guard:
            os._exit(START_FAILED)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.execvpe(plan["argv"][0], plan["argv"], os.environ)  # noqa: S606 - the plan comes from our own parent
    except OSError as exc:
        os.write(2, f"{plan['argv'][0]} can't be started: {exc}\n".encode())
    os._exit(START_FAILED)


def parents() -> dict[int, int]:
    """Parent of every process now alive, zombies left out; empty where there is no /proc."""
    found = {}
    for entry in os.listdir("/proc") if sys.platform == "linux" else ():  # noqa: PTH208 - pathlib would double the guard's start
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError), open(f"/proc/{entry}/stat", "rb") as file:  # noqa: PTH123 - as above
            state, parent = file.read().rpartition(b")")[2].split()[:2]
            if state != b"Z":
                found[int(entry)] = int(parent)
    return found


def descendants() -> list[int]:
    """Every process below this one. As sub-reaper the guard also adopts those whose parent died."""
    parent_of = parents()
    found: list[int] = []
    level = {os.getpid()}
    while level:
        level = {pid for pid, parent in parent_of.items() if parent in level}
        found.extend(level)
    return found


class Guard:
    """One program from start to end."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.wakeup, writer = os.pipe()
        os.set_blocking(writer, False)
        os.set_blocking(self.wakeup, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self.asked = False
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._ask)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        self.code: int | None = None
        self.alone = False
        self.pid = start(plan)

    def _ask(self, *_: object) -> None:
        self.asked = True

    def keep(self) -> int:
        """Returns the exit code when nothing of the program is left."""
        while not self.asked and self.code is None:
            self._pause(None, watch_parent=True)
        for number, seconds in self.plan["stop"]:
            if self._end(number, seconds):
                break
        else:
            self._end(signal.SIGKILL, KILL_SECONDS)
        return self.code if self.code is not None else 128 + signal.SIGKILL

    def _end(self, number: int, seconds: float) -> bool:
        """Sends the signal and waits; True when nothing is left."""
        deadline = time.monotonic() + seconds
        for pid in self._targets():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        self._reap()
        while not self.alone and (left := deadline - time.monotonic()) > 0:
            self._pause(min(left, 0.5), watch_parent=False)
        return self.alone

    def _targets(self) -> list[int]:
        if self.code is None and not self.plan["everyone"]:
            return [self.pid]
        return descendants() or ([self.pid] if self.code is None else [])

    def _pause(self, seconds: float | None, watch_parent: bool) -> None:
        watched = [self.wakeup, 0] if watch_parent else [self.wakeup]
        ready, _, _ = select.select(watched, [], [], seconds)
        if self.wakeup in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self.wakeup, 4096)
        if 0 in ready and not os.read(0, 4096):
            self.asked = True
        self._reap()

    def _reap(self) -> None:
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self.pid:
                    code = os.waitstatus_to_exitcode(status)
                    self.code = code if code >= 0 else 128 - code
        except ChildProcessError:
            self.alone = True


if __name__ == "__main__":
    sys.exit(Guard(json.loads(sys.argv[1])).keep())
