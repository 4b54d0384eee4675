"""Effects that can be read without knowing the kind: in requests that were applied, and in files of text."""

import json
import re
from collections.abc import Iterator
from typing import Any

from collect_pipelines.testing.destinations.effects import Effect
from collect_pipelines.testing.destinations.log import marks_in
from collect_pipelines.testing.destinations.stand_in import Request
from collect_pipelines.testing.destinations.world import World

__all__ = ["WRITES", "effects_in"]

KEY_HEADERS = ("idempotency-key", "webhook-id", "x-request-id")
WRITES = ("POST", "PUT", "PATCH", "DELETE")
UNFINISHED = (".tmp", ".part")
REMOVED = re.compile(r"\b(delete|deleted|tombstone|removed)\b")


def effects_in(world: World) -> Iterator[Effect]:
    """One per response and text it stands in: of applied requests that write, and of lines of finished files in the world's folder."""
    if world.has_stand_in:
        for request in world.stand_in.applied:
            if request.method in WRITES:
                yield from _of(world, request.text, _key(request))
    for path in sorted(world.folder.rglob("*")):
        if path.is_file() and not path.name.startswith(".") and path.suffix not in UNFINISHED:
            for line in path.read_bytes().decode("utf-8", "replace").split("\n"):
                yield from _of(world, line, path.name)


def _of(world: World, text: str, key: str | None) -> Iterator[Effect]:
    """The responses named in a text, by marks, else by id when it says that something was removed."""
    for piece in text.split("\n"):
        marks = sorted(set(marks_in(piece)))
        for number, revision in marks:
            yield Effect(_read(piece) if len(marks) == 1 else "", _id(world, number), revision, key=key)
        for entry in {entry.response_id: entry for entry in world.log.entries if entry.operation == "delete"}.values():
            if entry.response_id in piece and REMOVED.search(piece) and not any(number == entry.number for number, _ in marks):
                yield Effect("", entry.response_id, entry.revision, removed=True, key=key)


def _read(piece: str) -> Any:
    """What the text says, read as JSON if it is JSON."""
    try:
        return json.loads(piece)
    except ValueError:
        return piece


def _id(world: World, number: int) -> str:
    return next(entry.response_id for entry in world.log.entries if entry.number == number)


def _key(request: Request) -> str | None:
    return next((request.headers[name] for name in KEY_HEADERS if name in request.headers), None)
