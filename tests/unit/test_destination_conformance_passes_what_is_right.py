"""The conformance suite passes destinations that keep what they claim, one per guarantee."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

from collect_pipelines.testing import DestinationConformance, Effect, Reply, Request, World
from tests.unit.right_destinations import Bulk, Messenger, Poster, Table


class TestTable(DestinationConformance):
    destination = Table
    installed = False

    def config(self, world: World) -> Mapping[str, Any]:
        return {"path": str(world.folder / "table.sqlite")}

    def effects(self, world: World) -> Iterator[Effect]:
        path = world.folder / "table.sqlite"
        if not path.is_file():
            return
        with sqlite3.connect(path) as connection:
            found = connection.execute("select response, revision, state, content from row where state <> 'delete'").fetchall()
        connection.close()
        for response, revision, state, content in found:
            yield Effect(json.loads(content or "{}"), response, revision, removed=state == "tombstone")


class PosterSuite(DestinationConformance):
    installed = False
    gives_up_seconds = 3.0

    def config(self, world: World) -> Mapping[str, Any]:
        return {"url": f"{world.address}/rows", "token": world.secret("token"), "timeout_seconds": 0.5}

    def effects(self, world: World) -> Iterator[Effect]:
        for request in world.stand_in.applied:
            if request.method == "POST":
                row = request.json()
                removed = row["_operation"] == "delete"
                yield Effect(row, row["_response_id"], row["_revision"], removed, request.headers["idempotency-key"])


class TestPoster(PosterSuite):
    destination = Poster


class TestMessenger(PosterSuite):
    destination = Messenger


class TestBulk(PosterSuite):
    destination = Bulk
    most_interruptions = 5
    most_faults = 2

    def answer(self, world: World, request: Request) -> Reply:
        return self._take(world, request.lines())

    def partly(self, world: World, request: Request) -> Reply:
        return self._take(world, request.lines()[:1])

    def _take(self, world: World, rows: list[Any]) -> Reply:
        world.state.setdefault("rows", []).extend(rows)
        return Reply(200, {"taken": [row["key"] for row in rows]})

    def effects(self, world: World) -> Iterator[Effect]:
        for row in world.state.get("rows", ()):
            yield Effect(row, row["_response_id"], row["_revision"], row["_operation"] == "delete", row["key"])


del PosterSuite, DestinationConformance
