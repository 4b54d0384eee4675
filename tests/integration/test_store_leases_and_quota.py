"""Leases and quota live on Postgres's clock and are shared by all processes (promises 5 and 9)."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from collect_pipelines.errors import LeaseLost
from collect_pipelines.model import QuotaBucket
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import allocate
from collect_pipelines.store.leases import hold_lease, list_leases, release_lease, renew_lease, take_lease
from collect_pipelines.store.quota import drain_quota, quota_levels, take_quota

NAME = "integration:1"
ACCOUNT = QuotaBucket("account", burst=5, rate=2.0)
PROJECT = QuotaBucket("project", burst=100, rate=1.0)


TIMES = (("lease", "expires_at"), ("quota", "refilled_at"), ("quota", "paused_until"), ("quota", "slow_until"))


def shift(database: Database, seconds: float) -> None:
    """Moves what leases and quota know about time, as if so many seconds had passed."""
    with database.begin() as connection:
        for table, column in TIMES:
            statement = f"update collect.{table} set {column} = {column} - make_interval(secs => :seconds)"
            connection.execute(text(statement), {"seconds": seconds})


def test_a_lease_is_taken_by_one_of_many_at_once(database: Database) -> None:
    barrier = threading.Barrier(4)

    def take(owner: str) -> bool:
        barrier.wait()
        with database.begin() as connection:
            return take_lease(connection, NAME, owner) is not None

    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(take, "abcd"))

    assert sorted(taken) == [False, False, False, True]


def test_an_expired_lease_is_taken_with_a_higher_epoch_and_the_first_owner_is_refused(database: Database) -> None:
    with database.begin() as connection:
        first = take_lease(connection, NAME, "first", 15.0)
        assert first is not None
        assert take_lease(connection, NAME, "second") is None
        assert take_lease(connection, NAME, "first") is None, "another thread of the same owner must not share it"
    shift(database, 15.0)
    with database.begin() as connection:
        second = take_lease(connection, NAME, "second")
        assert second is not None
        assert second.epoch == first.epoch + 1
    for use in (hold_lease, renew_lease):
        with pytest.raises(LeaseLost), database.begin() as connection:
            use(connection, first)
        with database.begin() as connection:
            use(connection, second)


def test_a_renewed_lease_lasts_and_a_released_one_is_free_with_its_epoch_kept(database: Database) -> None:
    with database.begin() as connection:
        lease = take_lease(connection, NAME, "first", 15.0)
        assert lease is not None
    shift(database, 10.0)
    with database.begin() as connection:
        renew_lease(connection, lease, 15.0)
    shift(database, 10.0)
    with database.begin() as connection:
        assert take_lease(connection, NAME, "second") is None
        release_lease(connection, lease)
        assert [record.owner for record in list_leases(connection)] == [None]
        following = take_lease(connection, NAME, "second")
        assert following is not None
        assert following.epoch == lease.epoch + 1
        release_lease(connection, lease)
        assert [record.owner for record in list_leases(connection)] == ["second"], "who lost it can't release it for others"


def test_a_clock_set_back_by_a_day_does_not_lock_the_lease_for_a_day(database: Database) -> None:
    with database.begin() as connection:
        assert take_lease(connection, NAME, "first", 15.0) is not None
    shift(database, -86_400.0)
    with database.begin() as connection:
        assert take_lease(connection, NAME, "second") is not None


def test_nobody_takes_a_lease_while_its_owner_settles(database: Database) -> None:
    with database.begin() as connection:
        lease = take_lease(connection, NAME, "first", 15.0)
        assert lease is not None
    shift(database, 20.0)
    taken = threading.Event()

    def take() -> None:
        with database.begin() as connection:
            assert take_lease(connection, NAME, "second") is not None
            taken.set()

    with ThreadPoolExecutor(1) as pool:
        with database.begin() as connection:
            # Expired, but nobody took it: the epoch is what counts.
            hold_lease(connection, lease)
            future = pool.submit(take)
            while not connection.execute(text("select count(*) from pg_locks where not granted")).scalar():
                assert not future.done()
            assert not taken.is_set()
        future.result()
    assert taken.is_set()


def take(database: Database, *buckets: QuotaBucket) -> float:
    with database.begin() as connection:
        return take_quota(connection, buckets)


def test_a_minute_never_sees_more_than_burst_and_sixty_times_rate_from_two_connections(database: Database) -> None:
    def greedy(_: int) -> int:
        return sum(take(database, ACCOUNT, PROJECT) == 0.0 for _ in range(12))

    granted = 0
    started = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        for _ in range(6):  # a minute in steps of ten seconds
            granted += sum(pool.map(greedy, range(2)))
            shift(database, 10.0)
    spent = time.monotonic() - started

    assert granted <= ACCOUNT.burst + (50 + spent) * ACCOUNT.rate
    assert granted >= 6 * ACCOUNT.burst


def test_buckets_are_taken_together_or_not_at_all(database: Database) -> None:
    while take(database, ACCOUNT) == 0.0:
        pass
    before = dict(levels(database)).get("project", 1.0)

    wait = take(database, PROJECT, ACCOUNT)

    assert 0.0 < wait <= 1.0 / ACCOUNT.rate
    assert dict(levels(database))["project"] == before == 1.0


def levels(database: Database) -> list[tuple[str, float]]:
    with database.begin() as connection:
        return quota_levels(connection)


def test_who_waits_as_long_as_told_gets_a_token(database: Database) -> None:
    while (wait := take(database, ACCOUNT)) == 0.0:
        pass
    shift(database, wait)

    assert take(database, ACCOUNT) == 0.0


def test_a_drained_bucket_gives_nothing_for_that_long_and_then_fills_at_half_its_rate(database: Database) -> None:
    take(database, ACCOUNT)
    with database.begin() as connection:
        drain_quota(connection, [ACCOUNT], 30.0)
    assert take(database, ACCOUNT) == pytest.approx(30.0 + 1.0, abs=1.0)
    assert dict(levels(database))["account"] == 0.0
    shift(database, 29.0)
    assert take(database, ACCOUNT) > 0.0
    started = time.monotonic()
    shift(database, 2.5)
    taken = 0
    while take(database, ACCOUNT) == 0.0:
        taken += 1
    spent = time.monotonic() - started

    # One and a half seconds and what the test itself takes, at half the rate.
    assert 1 <= taken <= (1.5 + spent) * ACCOUNT.rate / 2 + 1


def test_a_bucket_survives_a_clock_set_back_by_a_day(database: Database) -> None:
    take(database, ACCOUNT)
    shift(database, -86_400.0)

    assert take(database, ACCOUNT) == 0.0


def test_a_smaller_limit_holds_from_the_next_request_on(database: Database) -> None:
    take(database, ACCOUNT)
    small = QuotaBucket("account", burst=1, rate=0.01)

    assert take(database, small) == 0.0
    assert take(database, small) > 10.0


def test_numbers_are_allocated_once_per_name_whoever_asks_at_the_same_time(database: Database) -> None:
    barrier = threading.Barrier(4)

    def ask(worker: int) -> list[int]:
        barrier.wait()
        numbers = []
        for name in range(10):
            with database.begin() as connection:
                numbers.append(allocate(connection, "spreadsheet", f"{name if worker % 2 else 9 - name}"))
        return numbers if worker % 2 else numbers[::-1]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, range(4)))

    assert answers[0] == answers[1] == answers[2] == answers[3]
    assert sorted(answers[0]) == list(range(1, 11))
    with database.begin() as connection:
        assert allocate(connection, "other", "0") == 1
