"""The decisions of the sensors: one run works, one may wait, dead ones are ended, and nothing is started for nothing."""

import dataclasses
import time
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.events import DagsterEvent  # only tests speak for a run that is dead

from assets.keeping import LaneRun, Situation, decide
from assets.lanes import lane_job
from assets.names import run_owner
from assets.partitions import forms
from assets.sensors import forms_sensor, keep, lane_sensor
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import set_form_state
from collect_pipelines.store.leases import renew_lease, take_lease
from resources.installation import Installation

if TYPE_CHECKING:
    from tests.graph.conftest import Household

NOW = 10_000.0
QUIET = Situation(now=NOW, runs=(), lease_held=False, holder=None, work=False, lifetime=1800.0)


def working(run_id: str = "first", age: float = 300.0, **changes: Any) -> Situation:
    return dataclasses.replace(QUIET, runs=(LaneRun(run_id, NOW - age),), lease_held=True, holder=run_id, work=True, **changes)


def test_nothing_is_started_while_there_is_nothing_to_do() -> None:
    assert not decide(QUIET).start


def test_a_run_is_started_for_work() -> None:
    decision = decide(dataclasses.replace(QUIET, work=True))

    assert decision.start
    assert decision.reap == ()


def test_no_second_run_is_started_while_one_is_queued_or_at_work() -> None:
    queued = dataclasses.replace(QUIET, runs=(LaneRun("first", None),), work=True)

    assert not decide(queued).start
    assert not decide(working()).start


def test_the_successor_is_started_before_the_life_of_the_first_ends_and_only_once() -> None:
    old = working(age=1750.0)
    waiting = dataclasses.replace(old, runs=(*old.runs, LaneRun("second", None)))

    assert decide(old).start
    assert not decide(waiting).start


def test_a_run_without_a_lease_is_given_time_to_start() -> None:
    starting = dataclasses.replace(QUIET, runs=(LaneRun("first", NOW - 10.0),), work=True)

    assert decide(starting) == dataclasses.replace(decide(starting), reap=(), start=False, suspects={})


def test_a_young_run_whose_lease_expired_is_suspect_at_once() -> None:
    """As after a restart of the whole machine."""
    dead = dataclasses.replace(QUIET, runs=(LaneRun("dead", NOW - 20.0),), holder="dead", work=True)

    assert (decide(dead).start, decide(dead).suspects) == (True, {"dead": NOW})


def test_a_started_run_whose_lease_died_is_replaced_at_once_and_ended_after_a_while() -> None:
    dead = dataclasses.replace(QUIET, runs=(LaneRun("dead", NOW - 300.0),), work=True)

    first = decide(dead)
    later = decide(dataclasses.replace(dead, now=NOW + 16.0, suspects=first.suspects))

    assert first.start
    assert (first.reap, first.suspects) == ((), {"dead": NOW})
    assert later.reap == ("dead",)


def test_two_dead_runs_leave_room_as_soon_as_they_are_ended() -> None:
    suspects = {"one": NOW - 16.0, "two": NOW - 16.0}
    dead = dataclasses.replace(QUIET, runs=(LaneRun("one", NOW - 300.0), LaneRun("two", NOW - 300.0)), work=True, suspects=suspects)

    decision = decide(dead)

    assert (decision.reap, decision.start) == (("one", "two"), True)


def test_a_lease_that_is_alive_again_clears_the_suspicion() -> None:
    decision = decide(working(suspects={"first": NOW - 14.0}))

    assert (decision.reap, decision.suspects) == ((), {})


def test_a_successor_that_waits_is_no_suspect_but_a_predecessor_that_never_ended_is() -> None:
    runs = (LaneRun("before", NOW - 900.0), LaneRun("holder", NOW - 600.0), LaneRun("waiting", NOW - 60.0))
    decision = decide(dataclasses.replace(QUIET, runs=runs, lease_held=True, holder="holder", work=True))

    assert decision.suspects == {"before": NOW}


def test_a_lane_drained_by_something_else_has_no_suspects() -> None:
    held_by_a_command = dataclasses.replace(QUIET, runs=(LaneRun("first", NOW - 300.0),), lease_held=True, work=True)

    assert decide(held_by_a_command).suspects == {}


def test_the_sensor_asks_for_a_run_when_responses_are_pending_and_says_in_words_when_not(
    instance: dg.DagsterInstance, installation: Installation, household: "Household"
) -> None:
    sensor = lane_sensor("validation")

    idle = sensor(dg.build_sensor_context(instance=instance), installation=installation)
    household.accept(1)
    busy = sensor(dg.build_sensor_context(instance=instance), installation=installation)

    assert isinstance(idle, dg.SensorResult)
    assert isinstance(busy, dg.SensorResult)
    assert idle.skip_reason == dg.SkipReason("validation: nothing new.")
    assert busy.run_requests == [dg.RunRequest()]


def test_a_destination_is_started_together_with_validation_but_only_where_it_has_an_integration(
    instance: dg.DagsterInstance, installation: Installation, household: "Household"
) -> None:
    household.accept(1)

    assert keep("warehouse", instance, installation, None, time.time()).run_requests == [dg.RunRequest()]
    assert not keep("google_sheets", instance, installation, None, time.time()).run_requests


def test_the_sensor_ends_a_run_that_dagster_takes_for_alive_when_its_lease_died(
    instance: dg.DagsterInstance, installation: Installation, household: "Household"
) -> None:
    household.accept(1)
    run = started_run(instance, "validation")
    now = time.time() + 300.0

    first = keep("validation", instance, installation, None, now)
    second = keep("validation", instance, installation, first.cursor, now + 20.0)

    assert first.run_requests == [dg.RunRequest()]
    assert second.run_requests == [dg.RunRequest()]
    ended = instance.get_run_by_id(run.run_id)
    assert ended is not None
    assert ended.status == dg.DagsterRunStatus.FAILURE


def test_a_lease_that_is_renewed_keeps_its_run_alive_even_when_the_clocks_differ(
    instance: dg.DagsterInstance, installation: Installation, household: "Household", database: Database
) -> None:
    household.accept(1)
    run = started_run(instance, "validation")
    with database.begin() as connection:
        lease = take_lease(connection, "lane:validation", run_owner(run.run_id))
    assert lease is not None
    cursor, skipped = None, []
    for look in range(6):
        with database.begin() as connection:
            renew_lease(connection, lease)
        # This machine's clock is ten minutes ahead of Postgres: every lease looks expired.
        result = keep("validation", instance, installation, cursor, time.time() + 600.0 + 5 * look)
        cursor = result.cursor
        skipped.append(result.skip_reason)

    assert skipped[1:] == [dg.SkipReason(f"validation: run {run.run_id[:8]} is at work.")] * 5
    assert [each.run_id for each in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))] == [run.run_id]


def test_every_published_form_becomes_a_partition_and_an_archived_one_is_removed(
    instance: dg.DagsterInstance, installation: Installation, household: "Household", database: Database
) -> None:
    new = forms_sensor(dg.build_sensor_context(instance=instance), installation=installation)
    instance.add_dynamic_partitions("forms", ["household"])
    same = forms_sensor(dg.build_sensor_context(instance=instance), installation=installation)
    with database.begin() as connection:
        set_form_state(connection, household.form_id, "archived")
    gone = forms_sensor(dg.build_sensor_context(instance=instance), installation=installation)

    assert new.dynamic_partitions_requests == [forms.build_add_request(["household"])]
    assert same.skip_reason == dg.SkipReason("1 forms, nothing changed.")
    assert gone.dynamic_partitions_requests == [forms.build_delete_request(["household"])]


def started_run(instance: dg.DagsterInstance, kind: str) -> dg.DagsterRun:
    """A run that Dagster believes to be alive."""
    run = instance.create_run_for_job(lane_job(kind))
    start = DagsterEvent(event_type_value=dg.DagsterEventType.PIPELINE_START.value, job_name=run.job_name)
    instance.report_dagster_event(start, run_id=run.run_id)
    return run
