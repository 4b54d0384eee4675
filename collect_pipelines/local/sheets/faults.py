"""Failures on purpose: what networks and Google do to a call, before it is applied, after it, or instead of answering."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from collect_pipelines.local.sheets.call import Answer, Operation, error_answer
from collect_pipelines.local.sheets.errors import ApiError, DriveError, SheetsError

__all__ = ["Fault", "Faults", "failed_answer"]

Applied = Literal["no", "yes", "later", "held"]
Shown = Literal["error", "html", "cut", "truncated", "garbled", "never"]

# [U] burnash/gspread#216, home-assistant/core#93974, AutomaApp/automa#1675. 504 is what Google's APIs answer past their own
# deadline (google.rpc.Code); developers.google.com/workspace/sheets/api/limits says no more than "a timeout error" past 180 s.
MESSAGES = {
    500: "Internal error encountered.",
    503: "The service is currently unavailable.",
    504: "Deadline expired before operation could complete.",
}
HTML_502 = (
    b"<!DOCTYPE html>\n<html lang=en>\n<title>Error 502 (Server Error)!!1</title>\n<p><b>502.</b> <ins>That's an error.</ins>\n"
    b"<p>The server encountered a temporary error and could not complete your request.<p>Please try again in 30 seconds.\n"
)


@dataclass
class Fault:
    """One way a call can fail."""

    applied: Applied = "no"
    """Whether the call takes effect: not, before the answer, `delay` seconds after it, or when the test lets it land."""
    shown: Shown = "error"
    """error: `status` in the API's envelope; html: a 502 page; cut: the connection is reset without an answer;
    truncated: half of the answer, then the connection closes; garbled: a 200 that is not JSON; never: no answer at all."""
    status: int = 503
    """429 has the body of the real quota refusal; 504 stands for the processing limit of 180 s."""
    delay: float = 1.0
    """Seconds until a late call is applied."""
    operations: frozenset[str] | None = None
    """Names such as `spreadsheets.batchUpdate`; None means every call that writes a spreadsheet."""
    reads: bool = False
    """Hits calls that read a spreadsheet too, where no operations are named."""
    skip: int = 0
    """So many matching calls pass unharmed first."""
    times: int | None = 1
    """So many matching calls are hit; None means all until it is removed."""
    bytes_at_least: int = 0
    """Hits only calls with a body of so many bytes: what takes Google too long."""
    until: float | None = None
    """The fault ends at this time of the server's clock; None means by `times` alone."""
    chance: Callable[[], bool] | None = None
    """Decides for each matching call whether it is hit; None hits all."""
    hits: int = field(default=0, init=False)

    def matches(self, operation: Operation) -> bool:
        """True for the calls it is about."""
        if self.operations is not None:
            return operation.name in self.operations
        # The token endpoint is no call of the API.
        return operation.kind == "write" or (self.reads and operation.kind == "read" and operation.name != "token")


class Faults:
    """The failures waiting to happen; the first that matches a call hits it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` gives the server's time in seconds since the epoch."""
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []
        self._outage: Shown | None = None
        self._outage_ends: float | None = None

    def add(self, fault: Fault) -> Fault:
        """Lets a fault wait for its calls."""
        with self._lock:
            self._waiting.append(fault)
        return fault

    @property
    def waiting(self) -> int:
        """How many faults wait for calls to hit."""
        with self._lock:
            return len(self._waiting)

    def clear(self) -> None:
        """Ends all faults and the outage."""
        with self._lock:
            self._waiting.clear()
            self._outage = None

    def storm(self, seconds: float = 60.0, *, reads: bool = True) -> Fault:
        """Others use up the quota: every write, and read unless told otherwise, answers 429 for so much of the server's clock."""
        return self.add(Fault(status=429, reads=reads, times=None, until=self._clock() + seconds))

    def begin_outage(self, shown: Shown = "error", *, seconds: float | None = None) -> None:
        """From now on no API call, reads and the token endpoint included, gets through; `seconds` of the server's clock, or until ended."""
        with self._lock:
            self._outage = shown
            self._outage_ends = None if seconds is None else self._clock() + seconds

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

    def take(self, operation: Operation, size: int = 0) -> Fault | None:
        """The fault that hits this call with a body of `size` bytes, if any."""
        with self._lock:
            now = self._clock()
            if self._outage is not None and (self._outage_ends is None or now < self._outage_ends):
                return Fault(shown=self._outage)
            self._waiting = [fault for fault in self._waiting if fault.until is None or now < fault.until]
            for fault in list(self._waiting):
                if not fault.matches(operation) or size < fault.bytes_at_least:
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


def failed_answer(fault: Fault, drive: bool, over_quota: ApiError) -> Answer:
    """What a fault that answers shows; `over_quota` is the real refusal of a quota, shown for status 429."""
    if fault.shown == "html":
        return Answer(502, HTML_502, "text/html; charset=UTF-8")
    if fault.shown == "garbled":
        return Answer(200, b'{"spreadsheetId": "1')
    if fault.status == 429:
        return error_answer(over_quota)
    text = MESSAGES.get(fault.status, "Backend Error")
    if drive:
        return error_answer(DriveError(fault.status, "backendError", text))
    status = None if fault.status in MESSAGES else "UNKNOWN"
    return error_answer(SheetsError(fault.status, text, status=status))
