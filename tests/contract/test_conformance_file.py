"""The file destination passes the conformance suite in both layouts and all formats; read back as its documentation says."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import pytest

from collect_pipelines.destinations.file import File
from collect_pipelines.testing import DestinationConformance, Effect, World
from tests.contract.file_tools import NEWEST, queried


class _Files(DestinationConformance):
    """What the layouts share."""

    destination = File
    most_interruptions = 20
    suffix: ClassVar[str]
    layout: ClassVar[str]

    def config(self, world: World) -> Mapping[str, Any]:
        return {"folder": str(world.folder), "name": "all", "layout": self.layout, "format": self.suffix}

    def effects(self, world: World) -> Iterable[Effect]:
        place = world.folder / ("all" if self.layout == "parts" else f"all.{self.suffix}")
        rows = queried(place, self.sql) if place.is_file() or any(place.glob("part-*")) else []
        return [Effect(row, row["_response_id"], row["_revision"], removed=row["_operation"] == "delete") for row in rows]

    sql = "select * from {source}"


class TestOneCsvFile(_Files):
    layout, suffix = "single", "csv"


class TestPartsOfParquet(_Files):
    layout, suffix = "parts", "parquet"
    sql = NEWEST

    def effects(self, world: World) -> Iterable[Effect]:
        # a part tells of every deletion; who wants the rows of today leaves those out
        tombstones = {entry.response_id for entry in world.log.entries if self._policy(world, entry) == "tombstone"}
        return [effect for effect in super().effects(world) if not effect.removed or effect.response_id in tombstones]

    def _policy(self, world: World, entry: Any) -> str | None:
        return world.account.policies.get((entry.number, entry.revision)) if entry.operation == "delete" else None

    def test_if_it_appends_every_revision_is_a_row(self) -> None:
        self.sql = _Files.sql
        super().test_if_it_appends_every_revision_is_a_row()


@pytest.mark.slow  # the steps are those of Parquet
class TestPartsOfNdjson(TestPartsOfParquet):
    suffix = "ndjson"
    most_interruptions = 8


del DestinationConformance
