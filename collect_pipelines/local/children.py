"""Child processes that can't outlive us: each is kept by a guard that ends it when this process goes away, however it dies."""

import json
import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from collect_pipelines.local.account import Account

__all__ = ["Child", "StopStep"]

GUARD = Path(__file__).with_name("guard.py")
GUARD_MARGIN_SECONDS = 10.0  # the guard's own last SIGKILL and reaping, after all steps


@dataclass(frozen=True, slots=True)
class StopStep:
    """A signal, and how many seconds the program then gets to end."""

    signal: signal.Signals
    seconds: float


DEFAULT_STOP = (StopStep(signal.SIGTERM, 10.0),)

_alive: "weakref.WeakSet[Child]" = weakref.WeakSet()


class Child:
    """A running program. It ends on `stop`, or when this process ends for any reason, kill -9 included."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        output: IO[bytes] | int,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        stop: Sequence[StopStep] = DEFAULT_STOP,
        everyone: bool = True,
        account: Account | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        """
        output: file that gets standard output and error.
        stop: what is sent, in order, until nothing is left; SIGKILL follows by itself.
        everyone: True sends the signals to the program and all it started; False to the program only (Postgres).
        account: the user the program runs as; needs root.
        pass_fds: inherited by the guard only, e.g. a lock that must be held until the program has ended.
        """
        self._stop_seconds = sum(step.seconds for step in stop) + GUARD_MARGIN_SECONDS
        plan = {
            "argv": list(argv),
            "stop": [[int(step.signal), step.seconds] for step in stop],
            "everyone": everyone,
            "uid": account.uid if account else None,
            "gid": account.gid if account else None,
        }
        self._guard = subprocess.Popen(  # noqa: S603 - our own guard, an argument list, no shell
            [sys.executable, "-I", "-S", str(GUARD), json.dumps(plan)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=dict(environment) if environment is not None else None,
            cwd=folder,
            start_new_session=True,
            pass_fds=tuple(pass_fds),
        )
        _alive.add(self)

    @property
    def guard_pid(self) -> int:
        """Process id of the guard; the program is its child."""
        return self._guard.pid

    def exit_code(self) -> int | None:
        """None while it runs; then its exit code, or 128 + the signal that ended it."""
        return self.wait(0)

    def begin_stop(self) -> None:
        """Asks it to end and returns at once."""
        if self._guard.stdin and not self._guard.stdin.closed:
            self._guard.stdin.close()

    def wait(self, seconds: float | None = None) -> int | None:
        """The exit code, or None when it still runs after so many seconds."""
        try:
            code = self._guard.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self.begin_stop()
        return code

    def stop(self) -> int:
        """Ends it and everything it started, and returns the exit code."""
        self.begin_stop()
        code = self.wait(self._stop_seconds)
        if code is None:
            self._guard.kill()
            code = self._guard.wait()
        return code


def _forget_in_forked_child() -> None:
    # A fork without exec would keep the pipe open and so keep the program alive after us.
    for child in list(_alive):
        child.begin_stop()


os.register_at_fork(after_in_child=_forget_in_forked_child)
