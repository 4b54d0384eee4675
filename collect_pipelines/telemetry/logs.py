"""
The log: one JSON object per line on standard output, with keys from one list and never an answer.

    {"ts":"2026-01-31T09:30:00.123Z","level":"info","event":"request","request_id":"...","form":"household","status":201,...}

`configure_logging` is called once per process; after it both `log = get_logger(__name__)` and the standard library's loggers
write such lines.
"""

import contextlib
import logging
import re
import sys
import threading
import traceback
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any, BinaryIO

import orjson
import structlog

from collect_pipelines.errors import CollectError
from collect_pipelines.settings import Settings

__all__ = ["LOG_KEYS", "configure_logging", "get_logger"]

LOG_KEYS = {
    "ts": "Time, RFC 3339 in UTC with milliseconds.",
    "level": "debug, info, warning or error.",
    "event": "What happened: a constant in snake case, made for searching.",
    "msg": "The same as a sentence.",
    "logger": "Module that wrote the line.",
    "request_id": "Of one HTTP request; the client sees it as X-Request-Id.",
    "method": "HTTP method.",
    "route": "Path template, e.g. /v1/forms/{form}/responses: never the path itself.",
    "status": "HTTP status.",
    "code": "Code of the problem that was answered.",
    "outcome": "How it ended; the same words as in the metrics.",
    "duration_ms": "Milliseconds it took.",
    "form": "Reference of the form.",
    "version": "Form version.",
    "response_id": "Id of the response.",
    "position": "Place in the form's log.",
    "items": "Responses in the batch.",
    "key_id": "Number of the API key; never the key.",
    "integration": "Name of the integration.",
    "kind": "Kind of destination or check.",
    "batch_no": "Number of the batch within its integration.",
    "rows": "Rows in the batch.",
    "segments": "Segments of an SMS.",
    "attempt": "Starts at 1.",
    "run_id": "Dagster run.",
    "lane": "Lane of the run.",
    "worker": "Process id of an ingest worker.",
    "port": "TCP port.",
    "error.type": "Class of the exception.",
    "error.message": "Its message, when it is one of the product's own errors, which never hold answers.",
    "error.stack": "Where it came from: file:line function, innermost last.",
}
"""Every key a line may have. Promise 10: an entry under any other key is dropped, so answers can't slip in."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
STACK_FRAMES = 12  # innermost frames kept; enough to find the line, short enough to read


def configure_logging(settings: Settings, stream: BinaryIO | None = None) -> None:
    """Sends every line of this process to `stream` (standard output): JSON, or plain text when COLLECT_LOG_FORMAT is `text`."""
    target = stream or sys.stdout.buffer
    lines = _Lines(target)
    render = _as_text if settings.log_format == "text" else _as_json
    structlog.configure(
        processors=[_explain_exception, _complete, render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [_Forward()]
    root.setLevel(logging.WARNING)


def get_logger(name: str) -> Any:
    """A logger: `log.info("event_name", form=..., request_id=...)` with keys of LOG_KEYS only."""
    return structlog.get_logger(module=name)


def _explain_exception(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replaces `exc_info` by type and place. A foreign exception's message may quote a row, so it is left out (promise 10)."""
    if "exc_info" not in entry:
        return entry
    error = entry.pop("exc_info")
    if error is True:
        error = sys.exc_info()[1]
    elif isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        entry["error.type"] = type(error).__name__
        if isinstance(error, CollectError):
            entry["error.message"] = error.message
        frames = traceback.extract_tb(error.__traceback__)[-STACK_FRAMES:]
        entry["error.stack"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return entry


def _complete(_: Any, method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Time, level and event first, then what is known of the rest. One step, because a request pays for every one of them."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    line: dict[str, Any] = {"ts": now[:-6] + "Z", "level": method, "event": entry.pop("event")}
    line["logger"] = entry.pop("module", None)  # structlog takes no key called `logger` itself
    line.update(entry)
    return {key: value for key, value in line.items() if value is not None and key in LOG_KEYS}


def _as_json(_: Any, __: str, entry: MutableMapping[str, Any]) -> bytes:
    return orjson.dumps(entry, default=str)


def _as_text(_: Any, __: str, entry: MutableMapping[str, Any]) -> bytes:
    head = " ".join(str(entry.pop(key, "")) for key in ("ts", "level", "event"))
    line = " ".join([head, *(f"{key}={value}" for key, value in entry.items())])
    # Nobody's text begins a line of its own or moves a terminal's cursor.
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", line).encode("utf-8", "replace")


class _Lines:
    """Writes whole lines. A log that can't be written (reader gone, disk full) never fails the work it tells about."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def msg(self, line: bytes) -> None:
        """One line, on its way at once: the last lines before a crash matter most."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._stream.write(line + b"\n")
            self._stream.flush()

    debug = info = warning = error = critical = msg


class _Forward(logging.Handler):
    """Passes what libraries log on to the one log; only their own wording, no exception text."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger(module=record.name)
        write = log.error if record.levelno >= logging.ERROR else log.warning
        # The template without its arguments: these may quote what a client sent. Its first line only: asyncio puts the lost
        # exception into those that follow.
        write("library", msg=str(record.msg).strip().partition("\n")[0], exc_info=record.exc_info)
