"""Progress for people: a bar with rate and time left on a terminal, a line every ten seconds in a log."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from collect_pipelines.cli.output import say

__all__ = ["Progress", "progress"]

LINE_SECONDS = 10.0


class Progress:
    """How far a piece of work is. This one writes lines; `progress` gives one that draws a bar on a terminal."""

    def __init__(self, title: str, total: int) -> None:
        self.title = title
        self.total = total
        self.done = 0
        self._begun = time.monotonic()
        self._next_line = self._begun + LINE_SECONDS

    def advance(self, steps: int, note: str = "") -> None:
        """`steps` more are done."""
        self.done += steps
        if time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LINE_SECONDS
            left = (self.total - self.done) / self.rate if self.rate else 0.0
            say(f"{self.title}: {self.done} of {self.total}, {self.rate:.0f}/s, {left:.0f} s left {note}".rstrip())

    def wait_for(self, reason: str) -> None:
        """Says what the work waits for: the limiter in force."""
        say(f"{self.title}: waiting: {reason}")

    @property
    def seconds(self) -> float:
        """Since the work began."""
        return max(time.monotonic() - self._begun, 1e-9)

    @property
    def rate(self) -> float:
        """Steps per second so far."""
        return self.done / self.seconds


@contextmanager
def progress(title: str, total: int, *, quiet: bool = False) -> Iterator[Progress]:
    """Shows the progress of the block on standard error; `quiet` keeps it silent."""
    if quiet or not sys.stderr.isatty():
        yield _Silent(title, total) if quiet else Progress(title, total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}/s"))
    with Bar(*columns, TimeRemainingColumn(), TextColumn("{task.fields[note]}"), console=Console(stderr=True)) as bar:
        yield _Drawn(title, total, bar)


class _Silent(Progress):
    def advance(self, steps: int, note: str = "") -> None:
        self.done += steps

    def wait_for(self, reason: str) -> None:
        """Nothing to show."""


class _Drawn(Progress):
    def __init__(self, title: str, total: int, bar: object) -> None:
        super().__init__(title, total)
        from rich.progress import Progress as Bar

        assert isinstance(bar, Bar)
        self._bar = bar
        self._task = bar.add_task(title, total=total, rate="0", note="")

    def advance(self, steps: int, note: str = "") -> None:
        self.done += steps
        self._bar.update(self._task, completed=self.done, rate=f"{self.rate:.0f}", note=note)

    def wait_for(self, reason: str) -> None:
        self._bar.update(self._task, note=f"waiting: {reason}")
