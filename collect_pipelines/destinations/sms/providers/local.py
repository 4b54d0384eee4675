"""Two providers that send nothing: a line in the log, or a line in a file."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from collect_pipelines.destinations.sms.config import FileProvider
from collect_pipelines.destinations.sms.keys import response_of
from collect_pipelines.destinations.sms.providers.interface import Found, Message, Provider, Result, Same
from collect_pipelines.destinations.sms.segments import count
from collect_pipelines.errors import Blocked
from collect_pipelines.model import JsonValue
from collect_pipelines.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collect_pipelines.destinations.interface import Context

__all__ = ["FileSpool", "LogOnly"]

PRIVATE = 0o600  # numbers and texts are for the workers' account alone
PIECE_BYTES = 65_536

log = get_logger(__name__)


class LogOnly(Provider):
    """Says in the log that a message would be sent, and how long it is."""

    idempotent = True  # a second line in a log does no harm

    def __init__(self, context: "Context") -> None:
        self._integration = context.integration

    def send(self, message: Message) -> Result:
        """Logs which response it is about, and its size; never its number or text (promise 10)."""
        response = response_of(message.reference)
        log.info("sms", integration=self._integration, response_id=response, segments=count(message.text).segments)
        return Result("sent")

    def probe(self) -> dict[str, JsonValue]:
        """Nothing can be missing."""
        return {"provider": "log: nothing is sent"}


class FileSpool(Provider):
    """Appends each message to a file, as one line of JSON."""

    looks_up = True

    def __init__(self, config: FileProvider, context: "Context") -> None:
        default = Path(context.setting("data_dir")) / "sms" / f"{context.integration}.ndjson"
        self._path = Path(config.path).expanduser() if config.path else default

    def send(self, message: Message) -> Result:
        """Written in one piece and flushed to the disk."""
        line = {"reference": message.reference, "to": message.to, "text": message.text, "at": datetime.now(UTC).isoformat()}
        with self._opened() as file:
            if _torn(self._path):
                os.write(file.fileno(), b"\n")  # a worker that was killed while writing left half a line
            os.write(file.fileno(), json.dumps(line, ensure_ascii=False).encode() + b"\n")
            os.fsync(file.fileno())
        return Result("sent", id=message.reference)

    def candidates(self, message: Message, since: datetime, same: Same) -> list[Found]:
        """The line of this reference, if it is there as a whole."""
        try:
            with self._path.open("rb") as file:
                whole = (line for line in file if line.endswith(b"\n"))
                return [Found(message.reference)] if any(_reference(line) == message.reference for line in whole) else []
        except FileNotFoundError:
            return []

    def probe(self) -> dict[str, JsonValue]:
        """Opens the file for writing."""
        with self._opened():
            return {"provider": "file: nothing is sent", "file": str(self._path)}

    def _opened(self) -> Any:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            return os.fdopen(os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, PRIVATE), "ab", buffering=0)
        except OSError as exc:
            raise Blocked(
                f"The file {self._path} can't be written: {exc.strerror or type(exc).__name__}.",
                fix="Let the workers' account write there, or name another file in `provider`.",
            ) from exc


def _torn(path: Path) -> bool:
    """Whether the file ends in the middle of a line."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def _reference(line: bytes) -> str | None:
    try:
        found = json.loads(line).get("reference")
    except (ValueError, AttributeError):
        return None
    return found if isinstance(found, str) else None
