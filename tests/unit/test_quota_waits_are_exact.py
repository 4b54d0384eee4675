"""Who is told when its turn under a quota comes is back then, however often that happens: its token is kept for nobody else."""

from typing import Any

import pytest

from collect_pipelines.cli.failures import DELIVERY_INCOMPLETE
from collect_pipelines.cli.sync import outcome_code
from collect_pipelines.errors import TryLater
from collect_pipelines.sync.drain import Patience
from collect_pipelines.sync.pacing import Pacing
from collect_pipelines.sync.report import Report
from collect_pipelines.sync.retry import next_wait


def report(outcome: Any, integration: str = "sheet", **values: Any) -> Report:
    return Report("google_sheets", "visit", outcome, integration=integration, **values)


def test_the_wait_for_a_turn_is_not_spread_as_other_waits_are() -> None:
    assert next_wait(1, TryLater(after=40.0, quota_wait=True), lambda: 0.9) == 40.0
    assert next_wait(1, TryLater(after=40.0), lambda: 0.9) > 40.0


def test_a_lane_looks_again_when_a_wait_is_over_and_not_at_the_next_poll() -> None:
    pacing = Pacing()
    pacing.done(1, [report("postponed", retry_in_seconds=0.3, full=True)], now=100.0)

    assert pacing.may(1, 100.0), "something new may come meanwhile"
    assert pacing.wait(100.0, most=1.0) == pytest.approx(0.32)
    assert pacing.wait(100.4, most=1.0) == 1.0


def test_a_drain_waits_for_any_number_of_turns_and_for_long_ones() -> None:
    patience = Patience()
    for _ in range(20):
        patience.note(1, report("postponed", retry_in_seconds=120.0, only_waited=True), now=0.0)

    assert patience.wants(1)
    assert patience.waiting(119.0)
    assert not patience.waiting(122.0)


def test_sync_is_complete_when_what_was_put_off_was_delivered_after_all() -> None:
    waited = [report("postponed", only_waited=True), report("delivered")]

    assert outcome_code(waited, pending=0) == 0
    assert outcome_code(waited, pending=1) == DELIVERY_INCOMPLETE
    assert outcome_code([*waited, report("postponed")], pending=0) == DELIVERY_INCOMPLETE
    assert outcome_code([*waited, report("postponed", "another sheet")], pending=0) == DELIVERY_INCOMPLETE
    assert outcome_code([report("parked"), report("delivered")], pending=0) == DELIVERY_INCOMPLETE
