"""What `collect backfill start` promises before it begins, and what `collect status` says of what is under way."""

from typing import Any, ClassVar

import pytest

from collect_pipelines.cli.backfill_view import estimate_words
from collect_pipelines.cli.behind import Behind, Resting, Under
from collect_pipelines.destinations.interface import Batch, Delivery, Destination, Guarantee, ProbeReport
from collect_pipelines.store.rates import Rate
from collect_pipelines.sync.backfill_estimate import Estimate, estimate


class Kind(Destination):
    kind: ClassVar[str] = "any"
    guarantee: ClassVar[Guarantee] = "exactly_once"
    max_rows: ClassVar[int] = 100

    def probe(self) -> ProbeReport:
        return ProbeReport("")

    def preview(self, batch: Batch) -> str:
        return ""

    def deliver(self, batch: Batch) -> Delivery:
        return Delivery.complete(batch)


class Limited(Kind):
    calls_per_minute: ClassVar[float | None] = 60.0


RATE = Rate(40, seconds_per_batch=0.5, seconds_per_row=0.01, calls_per_batch=2.0, calls_per_row=0.0)


def test_a_batch_has_a_price_and_a_row_has_one() -> None:
    assert estimate(1_000, Kind, RATE) == Estimate(1_000, 10, 20, 15.0, "integration", 40)


def test_no_estimate_is_faster_than_the_quota() -> None:
    assert estimate(100_000, Limited, RATE).seconds == (2_000 / 60 - 1) * 60


@pytest.mark.parametrize(("kind", "calls", "seconds", "basis"), [(Kind, None, None, "none"), (Limited, 10, 10.0, "quota")])
def test_without_any_batch_only_the_quota_is_known(kind: type[Destination], calls: int | None, seconds: float | None, basis: str) -> None:
    assert estimate(1_000, kind, None, "none") == Estimate(1_000, 10, calls, seconds, basis)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (
            Estimate(12_431, 125, 250, 187.0, "integration", 40),
            "12,431 entries in about 125 batches, about 250 calls, 3 min (measured over 40 batches of this integration).",
        ),
        (Estimate(1, 1, 1, 1.0, "quota"), "1 entry in about 1 batch, about 1 call, 1 s (from the receiver's usual quota)."),
        (Estimate(5, 1, None, None, "none"), "5 entries in about 1 batch. How long it takes is known when the first batch has landed."),
    ],
)
def test_an_estimate_says_where_it_comes_from(one: Estimate, said: str) -> None:
    assert estimate_words(one) == f"{said} Live responses go first."


@pytest.mark.parametrize(
    ("behind", "said", "see"),
    [
        ({}, "", "collect failures list"),
        ({"set_aside": 1}, "1 is set aside and tried again by itself.", "collect failures list"),
        (
            {"set_aside": 3, "backfills": [Under("sheet", 4, "backfill", "active", 200, 900)]},
            "Backfill 4 of sheet is under way at 200 of 900. 3 are set aside and tried again by themselves.",
            "collect backfill list",
        ),
        (
            {"resting": [Resting("hook", 7)]},
            "hook has failed 7 times in a row, so it is asked less often.",
            "collect integrations show hook",
        ),
    ],
    ids=["nothing", "one set aside", "a backfill", "a receiver that fails"],
)
def test_status_says_what_is_behind_in_a_sentence_each(behind: dict[str, Any], said: str, see: str) -> None:
    assert (Behind(**behind).words(), Behind(**behind).see()) == (said, see)
