"""Failures on purpose: what networks and Google do to a call, before it is applied, after it, or instead of answering."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from collect_pipelines.local.sheets.call import Answer, Operation, error_answer
from collect_pipelines.local.sheets.errors import DriveError, SheetsError

__all__ = ["Fault", "Faults", "failed_answer"]

Applied = Literal["no", "yes", "later"]
Shown = Literal["error", "html", "cut", "truncated", "garbled", "never"]

MESSAGES = {
    429: "Quota exceeded.",
    500: "Internal error encountered.",
    503: "The service is currently unavailable.",
}
HTML_502 = (
    b"<!DOCTYPE html>\n<html lang=en>\n<title>Error 502 (Server Error)!!1</title>\n<p><b>502.</b> <ins>That's an error.</ins>\n"
    b"<p>The server encountered a temporary error and could not complete your request.<p>Please try again in 30 seconds.\n"
)


@dataclass
class Fault:
    """One way a call can fail."""

    applied: Applied = "no"
    """Whether the call takes effect: not, before the answer, or `delay` seconds after it."""
    shown: Shown = "error"
    """error: `status` in the API's envelope; html: a 502 page; cut: the connection is reset without an answer;
    truncated: half of the answer, then the connection closes; garbled: a 200 that is not JSON; never: no answer at all."""
    status: int = 503
    delay: float = 1.0
    """Seconds until a late call is applied."""
    operations: frozenset[str] | None = None
    """Names such as `spreadsheets.batchUpdate`; None means every call that writes a spreadsheet."""
    skip: int = 0
    """So many matching calls pass unharmed first."""
    times: int | None = 1
    """So many matching calls are hit; None means all until it is removed."""
    chance: Callable[[], bool] | None = None
    """Decides for each matching call whether it is hit; None hits all."""
    hits: int = field(default=0, init=False)

    def matches(self, operation: Operation) -> bool:
        """True for the calls it is about."""
        return operation.kind == "write" if self.operations is None else operation.name in self.operations


class Faults:
    """The failures waiting to happen; the first that matches a call hits it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []
        self._outage: Shown | None = None

    def add(self, fault: Fault) -> Fault:
        """Lets a fault wait for its calls."""
        with self._lock:
            self._waiting.append(fault)
        return fault

    def clear(self) -> None:
        """Ends all faults and the outage."""
        with self._lock:
            self._waiting.clear()
            self._outage = None

    def begin_outage(self, shown: Shown = "error") -> None:
        """From now on no API call, reads and the token endpoint included, gets through."""
        with self._lock:
            self._outage = shown

    def end_outage(self) -> None:
        """Calls get through again."""
        with self._lock:
            self._outage = None

    @contextmanager
    def outage(self, shown: Shown = "error") -> Iterator[None]:
        """An outage for the length of the block."""
        self.begin_outage(shown)
        try:
            yield
        finally:
            self.end_outage()

    def take(self, operation: Operation) -> Fault | None:
        """The fault that hits this call, if any."""
        with self._lock:
            if self._outage is not None:
                return Fault(shown=self._outage)
            for fault in list(self._waiting):
                if not fault.matches(operation):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                if fault.chance is not None and not fault.chance():
                    continue
                fault.hits += 1
                if fault.times is not None and fault.hits >= fault.times:
                    self._waiting.remove(fault)
                return fault
        return None


def failed_answer(fault: Fault, drive: bool) -> Answer:
    """What a fault that answers shows."""
    if fault.shown == "html":
        return Answer(502, HTML_502, "text/html; charset=UTF-8")
    if fault.shown == "garbled":
        return Answer(200, b'{"spreadsheetId": "1')
    text = MESSAGES.get(fault.status, "Backend Error")
    if drive:
        return error_answer(DriveError(fault.status, "backendError", text))
    status = None if fault.status in MESSAGES else "UNKNOWN"
    return error_answer(SheetsError(fault.status, text, status=status))
