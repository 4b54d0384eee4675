"""Integrations that share a receiver go out in one call, and each is settled by itself (promises 4, 5, 7)."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from collect_pipelines.destinations.interface import Batch, Delivery, Destination, Outcome
from collect_pipelines.errors import Blocked, Refused, TryLater
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.sync.delivery import courier as courier_module
from collect_pipelines.sync.delivery.courier import MOST_TOGETHER, Courier
from collect_pipelines.sync.lane import Lane
from tests.integration.sync_counter import Counter, counter, held, taken
from tests.integration.sync_tools import Scene, one_database, scene

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres


@pytest.fixture(scope="module")
def database(postgres: "EmbeddedPostgres", template_database: str) -> Iterator[Database]:
    with one_database(postgres, template_database) as opened:
        yield opened


def scenes(database: Database, folder: Path, count: int, kind: str = "counter", share: str | None = "one place") -> list[Scene]:
    found = []
    for _ in range(count):
        it = scene(database, folder, kind=kind, path=str(folder / "counter.sqlite"), share=share)
        it.create(f"{it.form_id}-a", f"{it.form_id}-b")
        found.append(it)
    return found


def together(them: list[Scene], kind: type[Destination] = Counter, **options: Any) -> dict[int, str]:
    working = Courier(them[0].database, Settings(data_dir=them[0].path.parent), "worker", finder=lambda name: kind, **options)
    return {number: report.outcome for number, report in working.deliver_together([it.integration_id for it in them]).items()}


def calls(folder: Path) -> list[int]:
    """Sizes of the calls for several."""
    return [size for (size,) in taken(folder / "counter.sqlite", "select size from calls")]


def test_several_integrations_go_out_in_one_call_and_each_is_settled(database: Database, tmp_path: Path) -> None:
    them = scenes(database, tmp_path, 3)
    outcomes = together(them)

    assert list(outcomes.values()) == ["delivered"] * 3
    assert calls(tmp_path) == [3, 3, 3]
    assert len(held(tmp_path / "counter.sqlite")) == 6
    assert [it.accounted() for it in them] == [{"delivered": 2}] * 3


def test_an_error_concerns_its_own_batch_only(database: Database, tmp_path: Path) -> None:
    them = scenes(database, tmp_path, 5)
    errors: dict[int, Exception] = {
        them[0].integration_id: TryLater("Busy.", after=5.0),
        them[1].integration_id: Blocked("Gone.", fix="Make it."),
        them[2].integration_id: Refused("No."),
    }

    class Mixed(Counter):
        def deliver(self, batch: Batch) -> Delivery:
            if batch.integration_id in errors:
                raise errors[batch.integration_id]
            if batch.integration_id == them[3].integration_id:
                return Delivery((Outcome.delivered(), Outcome.refused("No.")))
            return super().deliver(batch)

    outcomes = together(them, Mixed)

    assert list(outcomes.values()) == ["postponed", "blocked", "split", "delivered", "delivered"]
    assert [it.accounted() for it in them] == [
        {"pending": 2}, {"pending": 2}, {"pending": 2}, {"delivered": 1, "dead_lettered": 1}, {"delivered": 2},
    ]  # fmt: skip
    assert them[1].integration.state == "blocked"


def test_after_a_call_that_raised_each_goes_by_itself_until_it_went_well(database: Database, tmp_path: Path) -> None:
    them = scenes(database, tmp_path, 3)
    poisoned = them[1].integration_id

    def whole(batch: Batch) -> None:
        if batch.integration_id == poisoned:
            raise RuntimeError("canary")

    kind = counter(whole=whole)
    working = Courier(database, Settings(data_dir=tmp_path), "worker", finder=lambda name: kind, wait_scale=0.0)
    first = working.deliver_together([it.integration_id for it in them])
    assert {report.outcome for report in first.values()} == {"postponed"}
    assert not any(working.may_share(it.integration_id) for it in them)
    for it in them:
        working.deliver(it.integration_id)

    assert [it.accounted() for it in them] == [{"delivered": 2}, {"pending": 2}, {"delivered": 2}]
    assert [working.may_share(it.integration_id) for it in them] == [True, False, True]


def test_a_plug_in_that_miscounts_its_results_settles_nothing(database: Database, tmp_path: Path) -> None:
    them = scenes(database, tmp_path, 2)

    class Short(Counter):
        @classmethod
        def deliver_together(cls, batches: Any) -> Any:
            return super().deliver_together(batches)[:1]

    assert set(together(them, Short).values()) == {"postponed"}
    assert [it.accounted() for it in them] == [{"pending": 2}] * 2


def test_no_more_than_64_batches_and_so_many_bytes_go_in_one_call(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    them = scenes(database, tmp_path, 3)
    monkeypatch.setattr(courier_module, "MOST_TOGETHER_BYTES", 1)
    assert len(together(them)) == 1, "the first fills the call; the others come next"
    monkeypatch.undo()
    assert len(together(them)) == 2
    assert MOST_TOGETHER == 64


def test_those_that_share_nothing_are_called_one_by_one(database: Database, tmp_path: Path) -> None:
    them = [it for share, count in ((None, 2), ("x", 2), ("y", 1)) for it in scenes(database, tmp_path, count, share=share)]
    together(them)

    assert calls(tmp_path) == [2, 2]
    assert [it.accounted() for it in them] == [{"delivered": 2}] * 5


def test_one_that_another_worker_has_is_left_to_it(database: Database, tmp_path: Path) -> None:
    them = scenes(database, tmp_path, 2)
    seen: list[dict[int, str]] = []
    kind = counter(whole=lambda batch: seen.append(together(them)) if not seen else None)
    them[0].courier(kind).deliver(them[0].integration_id)

    assert list(seen[0]) == [them[1].integration_id]


class Sociable(Counter):
    kind: ClassVar[str] = "sociable"


@pytest.mark.parametrize("how", ["round", "drain"])
def test_a_lane_puts_together_what_is_pending_at_the_same_moment(database: Database, tmp_path: Path, how: str) -> None:
    kind = f"sociable-{how}"
    them = scenes(database, tmp_path, 4, kind=kind)
    only = frozenset(it.integration.form for it in them[:3])
    lane = Lane(database.url, Settings(data_dir=tmp_path), kind, "lane", finder=lambda name: Sociable)
    reports = list(getattr(lane, how)(only))

    assert len(reports) == 3
    assert calls(tmp_path) == [3, 3, 3]
    assert [it.accounted() for it in them] == [{"delivered": 2}] * 3 + [{"pending": 2}]
