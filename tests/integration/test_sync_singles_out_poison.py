"""One response that a receiver can't take costs a few calls, and the rest is delivered (promise 7)."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from collect_pipelines.destinations.interface import Batch, Destination
from collect_pipelines.errors import Refused, TryLater
from collect_pipelines.store.database import Database
from collect_pipelines.store.dead_letters import list_dead_letters
from collect_pipelines.sync.delivery.singling import SINGLE_STUMBLES, STUMBLES
from tests.integration.store_filling import fill
from tests.integration.sync_counter import counter, held, taken
from tests.integration.sync_tools import Scene, one_database, scene, submission

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres

ROWS = 1000


@pytest.fixture(scope="module")
def database(postgres: "EmbeddedPostgres", template_database: str) -> Iterator[Database]:
    with one_database(postgres, template_database) as opened:
        yield opened


@pytest.fixture
def it(database: Database, tmp_path: Path) -> Scene:
    return scene(database, tmp_path, kind="counter", path=str(tmp_path / "counter.sqlite"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "counter.sqlite"


def filled(it: Scene, rows: int) -> None:
    with it.database.begin() as connection:
        fill(connection, it.form_id, rows)
    it.validate()


def meets(error: Exception, *positions: int) -> Callable[[Batch], None]:
    """Raises when one of the positions is in the batch, before any of it is taken."""

    def whole(batch: Batch) -> None:
        if set(positions) & set(batch.frame["_position"].to_list()):
            raise error

    return whole


def calls(it: Scene, kind: type[Destination]) -> list[str]:
    """Delivers until nothing is left, without waiting; how each attempt ended."""
    courier = it.courier(kind, wait_scale=0.0)
    ended = []
    while (report := courier.deliver(it.integration_id)) is not None:
        ended.append(report.outcome)
        it.accounted()
    return ended


@pytest.mark.parametrize("position", [1, 777, ROWS])
def test_one_refused_response_among_a_thousand_costs_about_two_logarithms_of_calls(it: Scene, path: Path, position: int) -> None:
    filled(it, ROWS)
    ended = calls(it, counter(whole=meets(Refused("Not this one."), position), keyed=False))

    assert ended.count("parked") == 1
    assert ended.count("split") <= math.ceil(math.log2(ROWS))
    assert len(ended) - 1 <= 2 * math.ceil(math.log2(ROWS)) + 1, ended
    assert len(held(path)) == ROWS - 1
    assert it.accounted() == {"delivered": ROWS - 1, "dead_lettered": 1}
    with it.database.begin() as connection:
        (letter,) = list_dead_letters(connection, it.form_id)
    assert (letter.position, letter.reason, letter.unknown) == (position, "Not this one.", False)
    arrivals = taken(path)
    assert len(arrivals) == len(set(arrivals)), "nothing went out twice, although the receiver does not tell revisions apart"


def test_many_refused_responses_are_found_one_by_one_and_batches_grow_again_between_them(it: Scene, path: Path) -> None:
    filled(it, 200)
    bad = (3, 4, 5, 90, 91, 150)
    ended = calls(it, counter(whole=meets(Refused("No."), *bad)))

    assert ended.count("parked") == len(bad)
    assert len(ended) < 2 * len(bad) * math.log2(200)
    assert it.accounted() == {"delivered": 194, "dead_lettered": 6}
    assert len(held(path)) == 194


def test_a_receiver_that_refuses_everything_is_asked_twice_per_response_at_most(it: Scene) -> None:
    filled(it, 20)
    ended = calls(it, counter(whole=meets(Refused("No."), *range(1, 21))))

    assert it.accounted() == {"dead_lettered": 20}
    assert len(ended) <= 2 * 20 + 8


def test_a_plug_in_that_stumbles_over_one_response_delivers_all_others(it: Scene, path: Path) -> None:
    filled(it, 64)
    ended = calls(it, counter(whole=meets(RuntimeError("canary"), 23)))

    assert ended[:STUMBLES] == ["postponed"] * (STUMBLES - 1) + ["split"]
    assert ended.count("parked") == 1
    assert ended.count("postponed") == STUMBLES - 1 + SINGLE_STUMBLES - 1
    assert it.accounted() == {"delivered": 63, "dead_lettered": 1}
    with it.database.begin() as connection:
        (letter,) = list_dead_letters(connection, it.form_id)
    assert (letter.position, letter.unknown) == (23, True)
    assert letter.reason == "It may have been delivered, which can't be found out: The plug-in counter failed with RuntimeError."
    assert len(held(path)) == 63


def test_an_older_revision_is_not_sent_when_a_newer_one_may_have_been_applied_already(it: Scene, path: Path) -> None:
    it.create("a", "c")
    it.accept(submission(it.form_id, "a", {"name": "a2"}, "edit", 1))
    it.create("b")

    def second(row: dict[str, Any], batch: Batch) -> Exception | None:
        return RuntimeError("canary") if row["_response_id"] == "b" else None

    ended = calls(it, counter(rule=second))

    assert {revision for response, revision in taken(path) if response == "a"} == {2}
    assert ended.count("parked") == 1
    assert it.accounted() == {"delivered": 2, "filtered": 1, "dead_lettered": 1}


def test_a_batch_of_which_nobody_knows_whether_it_was_applied_is_not_cut_up_unless_effects_are_keyed(it: Scene) -> None:
    filled(it, 4)
    answers = iter([TryLater("Cut.", unknown=True), Refused("No.")])

    def whole(batch: Batch) -> None:
        raise next(answers)

    courier = it.courier(counter(whole=whole, keyed=False), wait_scale=0.0)
    outcomes = [report.outcome for report in (courier.deliver(it.integration_id), courier.deliver(it.integration_id)) if report]

    assert outcomes == ["postponed", "parked"]
    assert it.accounted() == {"dead_lettered": 4}
    with it.database.begin() as connection:
        assert {letter.unknown for letter in list_dead_letters(connection, it.form_id)} == {True}


def test_a_plug_in_without_keys_that_stumbles_goes_on_trying_the_same_batch(it: Scene) -> None:
    filled(it, 4)
    courier = it.courier(counter(whole=meets(RuntimeError("canary"), 2), keyed=False), wait_scale=0.0)
    outcomes = {report.outcome for report in (courier.deliver(it.integration_id) for _ in range(12)) if report}

    assert outcomes == {"postponed"}
    assert (it.batch("attempts"), it.ledger.breaker, it.accounted()) == (12, "half_open", {"pending": 4})
