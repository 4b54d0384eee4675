"""
What the quota of Google Sheets allows, and what we make of it. Run: python tests/benchmarks/bench_sheets.py [--quick] [--latency 0.25]

Starts a throwaway Postgres, the local Sheets server with Google's documented quotas, and resident lanes, each in a process of its own.
Clocks are real and nothing is scaled: a minute of quota is a minute. Each call to the server takes a quarter of a second more than it
would, as a call over a network does. The server notes each call as it counts it; every figure of calls comes from there. Logs are
validated beforehand; sheets are made beforehand, with quotas lifted, where their making is not what is measured.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import psycopg  # noqa: E402 - the path comes first

from collect_pipelines.destinations.google_sheets import GoogleSheets  # noqa: E402
from collect_pipelines.forms.definition import FormDefinition  # noqa: E402
from collect_pipelines.local.postgres import EmbeddedPostgres, create_database, throwaway_postgres  # noqa: E402
from collect_pipelines.store.backfills import begin_backfill  # noqa: E402
from collect_pipelines.store.database import Database, ring  # noqa: E402
from collect_pipelines.store.forms import publish_form  # noqa: E402
from collect_pipelines.store.integrations import add_integration  # noqa: E402
from collect_pipelines.store.migrations import upgrade  # noqa: E402
from tests.benchmarks import sheets_stage as stage  # noqa: E402

PEOPLE = ["rows", "naive", "one", "fifty", "live"]
COLUMNS, CELL = 20, "some answer of twenty"[:20]
WIDE_ROWS = 10_000
WIDE_FORMS = 3  # at once, for the rate: one spreadsheet takes one request after another
FORMS = 50
LIVE_EVERY_SECONDS = (1.0, 2.0)  # between two new responses of the live form
NAIVE_SECONDS = 185.0  # at least two whole minutes of the server
AIM = 0.9  # of the documented rate
MOST_REFUSED = 0.01
FILL = """
with moved as (update collect.form set head = head + %(count)s, validated_through = head + %(count)s where form_id = %(form)s
    returning form_id, head - %(count)s as before)
insert into collect.response
    (form_id, position, response_id, revision, operation, version, received_at, source, respondent, unique_key, content_hash, answers)
select form_id, before + n, form_id || '-' || (before + n), 1, 'create', 1, clock_timestamp(), 'bench', null, null, sha256('x'),
    (select jsonb_object_agg('q' || k, %(cell)s::text) from generate_series(1, %(columns)s) k)
from moved, generate_series(1, %(count)s) n
"""


@dataclass(frozen=True)
class Lengths:
    """How long things are measured, in seconds, and how large the backfill is."""

    rate: float
    one: float
    fifty: float
    calm: float
    backfill: float
    backfill_rows: int


FULL = Lengths(rate=75, one=90, fifty=130, calm=60, backfill=120, backfill_rows=1_000_000)
QUICK = Lengths(rate=30, one=65, fifty=65, calm=20, backfill=40, backfill_rows=100_000)


class Place:
    """A database with forms that go to one person's sheets."""

    def __init__(self, postgres: EmbeddedPostgres, server: stage.Server, person: str, forms: int = 0, columns: int = 3) -> None:
        """forms: so many are made, with their sheets."""
        create_database(postgres.url("postgres"), person)
        self.url, self.server, self.person = postgres.url(person), server, person
        self.folder = server.folder / f"{person}-data"
        self.folder.mkdir()
        upgrade(self.url)
        self.database = Database(self.url)
        self.forms = [self.form(f"form-{number}", columns)[0] for number in range(forms)]
        if forms:
            self.warm(*self.forms)

    def form(self, slug: str, columns: int, *, older: int = 0) -> tuple[int, int]:
        """Numbers of a form with text questions and of its integration, which begins after so many responses."""
        questions = [{"key": f"q{place}", "type": "text", "label": f"Question {place}"} for place in range(1, columns + 1)]
        form = FormDefinition.model_validate({"form": slug, "title": slug, "questions": questions})
        credentials = {"credentials": f"file:{self.server.credentials(self.person)}"}
        with self.database.begin() as connection:
            form_id = publish_form(connection, "default", form).form_id
        if older:
            self.fill(form_id, older, columns)
        with self.database.begin() as connection:
            made = add_integration(connection, form_id, slug, "google_sheets", credentials, start="now")
        return form_id, made.integration_id

    def fill(self, form_id: int, count: int, columns: int = 3) -> None:
        """So many more responses, judged already; a resident lane is told."""
        with psycopg.connect(self.url) as connection:
            connection.execute(FILL, {"form": form_id, "count": count, "columns": columns, "cell": CELL})
        with self.database.begin() as connection:
            ring(connection)

    def warm(self, *forms: int) -> None:
        """Makes the sheets with quotas lifted: one response each."""
        self.server.grant(stage.GENEROUS, stage.GENEROUS)
        for form_id in forms:
            self.fill(form_id, 1)
        stage.work(self.url, self.settings((stage.GENEROUS, stage.GENEROUS)), small=False, drain=True)
        self.query("truncate collect.quota, collect.quota_ticket")
        self.server.grant(*stage.GOOGLE)

    def settings(self, limits: tuple[int, int] = stage.GOOGLE) -> dict[str, Any]:
        return stage.settings_for(self.server, self.folder, limits)

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--quick", action="store_true", help="Shorter, and a backfill of 100,000 rows: a look, not a measure.")
    options.add_argument("--latency", type=float, default=0.25, help="Seconds added to each call.")
    given = options.parse_args()
    lengths = QUICK if given.quick else FULL
    began = time.monotonic()
    with (
        throwaway_postgres() as postgres,
        tempfile.TemporaryDirectory() as folder,
        stage.server(Path(folder) / "sheets", PEOPLE, given.latency) as server,
    ):
        wide = Place(postgres, server, "rows", WIDE_FORMS, COLUMNS)
        one = Place(postgres, server, "one", 1)
        # quotas are not lifted while it writes
        with stage.naive(server, "naive", COLUMNS, CELL):
            naive_began = time.monotonic()
            ours = rows_and_calls(wide, lengths)
            utilisation(one, lengths.one)
            time.sleep(max(naive_began + NAIVE_SECONDS - time.monotonic(), 0.0))
        compared(ours, server)
        utilisation(Place(postgres, server, "fifty", FORMS), lengths.fifty)
        fairness(Place(postgres, server, "live"), lengths)
    print(f"\n{(time.monotonic() - began) / 60:.1f} minutes in all")


@dataclass(frozen=True)
class Rows:
    """What writing many rows came to."""

    calls: int
    writes: int
    bytes_per_row: int
    per_minute: float
    own_cpu: float
    server_cpu: float
    """Processor seconds for 10,000 rows."""


def rows_and_calls(place: Place, lengths: Lengths) -> Rows:
    """Calls for 10,000 rows, and rows per minute while several forms have more to send."""
    place.fill(place.forms[0], WIDE_ROWS, COLUMNS)
    since = time.time()
    with stage.lane(place.url, place.settings()) as worker:
        wait_until(lambda: not pending(place))
        calls = [one.kind for one in place.server.calls("rows", since) if not one.refused]
        sent, rows = place.query("select sum(sent_bytes)::bigint, sum(rows)::bigint from collect.batch where rows > 1")[0]
        for form_id in place.forms:
            place.fill(form_id, int(lengths.rate * 1_000), COLUMNS)
        counted, measured = landed(place), time.time()
        spent = stage.cpu_seconds(worker), stage.cpu_seconds(place.server.process)
        time.sleep(lengths.rate)
        moved, passed = landed(place) - counted, time.time() - measured
        own, server = stage.cpu_seconds(worker) - spent[0], stage.cpu_seconds(place.server.process) - spent[1]
    scale = 10_000 / moved
    return Rows(len(calls), calls.count("write"), sent // rows, moved / passed * 60, own * scale, server * scale)


def compared(ours: Rows, server: stage.Server) -> None:
    """Ours next to the naive writer, which wrote all the while."""
    # whole minutes of the server: at their borders it may write twice as fast for a moment
    tries = [one for one in server.calls("naive") if one.kind == "write"]
    first, last = (int(one.at // 60) for one in (tries[0], tries[-1]))
    whole = [one for one in tries if first < one.at // 60 < last]
    theirs = sum(not one.refused for one in whole) / (last - first - 1)
    refused = sum(one.refused for one in tries) / len(tries)
    most = min(GoogleSheets.max_bytes // ours.bytes_per_row, GoogleSheets.max_rows)
    ceiling = most * stage.GOOGLE[0]
    each = 10_000 * len(tries) / sum(not one.refused for one in tries)
    print(f"\nRows of {COLUMNS} questions with {len(CELL)} characters: {ours.bytes_per_row:,} bytes each on the way\n")
    print(f"{'':<28} {'we':>12} {'one append each':>16} {'times':>8}")
    print(f"{'calls per 10,000 rows':<28} {ours.calls:>12,} {each:>16,.0f} {each / ours.calls:>8,.0f}")
    print(f"{'  of these, writes':<28} {ours.writes:>12,} {each:>16,.0f} {each / ours.writes:>8,.0f}")
    print(f"{'rows per minute':<28} {ours.per_minute:>12,.0f} {theirs:>16,.0f} {ours.per_minute / theirs:>8,.0f}")
    print(f"{'ceiling, rows per minute':<28} {ceiling:>12,} {stage.GOOGLE[0]:>16,} {ceiling / stage.GOOGLE[0]:>8,.0f}")
    print(f"{'share of the ceiling':<28} {ours.per_minute / ceiling:>12.0%} {theirs / stage.GOOGLE[0]:>16.0%}")
    print(f"{'its calls refused':<28} {'':>12} {refused:>16.1%}")
    print(f"\n  The ceiling is {most:,} rows in a request of {GoogleSheets.max_bytes / 1e6:.1f} MB, sixty times a minute, for one account.")
    print(
        f"  10,000 rows take {ours.own_cpu:.1f} s of processor time here and {ours.server_cpu:.1f} s in the local server, which stands in"
    )
    print(f"  for Google on the same machine: {os.cpu_count()} processors carry both, with Postgres and whatever else runs.")


def utilisation(place: Place, seconds: float) -> None:
    """How much of the quota is used while so many forms have more to send than it allows."""
    forms = len(place.forms)
    for form_id in place.forms:
        place.fill(form_id, 12_000 // forms)
    before = time.time()
    with stage.lane(place.url, place.settings(), small=True):
        wait_until(lambda: place.server.calls(place.person, before))
        since = place.server.calls(place.person, before)[0].at
        time.sleep(max(since + seconds - time.time(), 0.0))
    # without the burst a quota that was not used before begins with
    begun = since + 5.0
    calls = place.server.calls(place.person, begun, since + seconds)
    used = {kind: sum(one.kind == kind and not one.refused for one in calls) for kind in ("read", "write")}
    share = max(used.values()) / ((since + seconds - begun) / 60 * stage.GOOGLE[0])
    refused = sum(one.refused for one in calls) / max(len(calls), 1)
    busiest = max(busiest_minute([one.at for one in calls if one.kind == kind and not one.refused]) for kind in used)
    share_of = spread(place, forms)
    print(f"\nUtilisation with {forms} form{'s' if forms > 1 else ''} pending, over {since + seconds - begun:.0f} s\n")
    counts = f"{used['write']} writes, {used['read']} reads"
    print(f"  {share:.1%} of the documented {stage.GOOGLE[0]} calls a minute ({counts})  {told(share >= AIM)}")
    print(f"  {refused:.2%} of the calls refused  {told(refused <= MOST_REFUSED)}")
    print(f"  {busiest} calls of a kind in the busiest sixty seconds  {told(busiest <= stage.GOOGLE[0])}")
    print(share_of)


def spread(place: Place, forms: int) -> str:
    counts = [row[0] for row in place.query("select cursor from collect.integration order by 1")]
    return "" if forms == 1 else f"  between the forms: {counts[0]} to {counts[-1]} rows each"


def fairness(place: Place, lengths: Lengths) -> None:
    """How long new responses of one form take, alone and while another form's backfill runs."""
    live, live_number = place.form("live", 3)
    began = time.time()
    older, older_number = place.form("older", 3, older=lengths.backfill_rows)
    place.query("vacuum analyze collect.response")
    passed = time.time() - began
    place.warm(live, older)
    print(f"\nNew responses beside a backfill of {lengths.backfill_rows:,} rows (made in {passed:.0f} s), one account\n")
    with stage.lane(place.url, place.settings()):
        delays(place, live, live_number, 1.0)  # the worker has begun
        calm = delays(place, live, live_number, lengths.calm)
        with place.database.begin() as connection:
            assert begin_backfill(connection, older_number) is not None
        time.sleep(10)
        counted, since = landed(place), time.time()
        beside = delays(place, live, live_number, lengths.backfill)
        moved, passed = landed(place) - counted - len(beside), time.time() - since
    calls = place.server.calls("live", since, since + passed)
    used = sum(one.kind == "write" and not one.refused for one in calls) / (passed / 60 * stage.GOOGLE[0])
    print(f"{'seconds from commit to sheet':<32} {'p50':>7} {'p95':>7} {'p99':>7} {'max':>7} {'n':>5}")
    print(line("alone", calm))
    print(line("while the backfill runs", beside))
    print(f"\n  the backfill moved {moved / passed * 60:,.0f} rows a minute; {used:.1%} of the quota was used, ", end="")
    print(f"{sum(one.refused for one in calls)} calls refused")


def delays(place: Place, form_id: int, integration: int, seconds: float) -> list[float]:
    """From the commit of each new response until its batch is known to have landed."""
    import random

    first = place.query("select head from collect.form where form_id = %s", form_id)[0][0]
    until = time.time() + seconds
    while time.time() < until:
        place.fill(form_id, 1)
        time.sleep(random.uniform(*LIVE_EVERY_SECONDS))
    wait_until(lambda: place.query("select cursor = (select head from collect.form where form_id = %s) from collect.integration"
                                   " where integration_id = %s", form_id, integration)[0][0])  # fmt: skip
    found = place.query(
        "select extract(epoch from b.landed_at - r.received_at)::float from collect.response r join collect.batch b"
        " on b.integration_id = %s and r.position between b.from_position and b.to_position and b.state = 'landed'"
        " where r.form_id = %s and r.position > %s", integration, form_id, first,
    )  # fmt: skip
    return sorted(row[0] for row in found)


def line(name: str, values: Sequence[float]) -> str:
    def at(share: float) -> float:
        return values[min(len(values) - 1, round(share * (len(values) - 1)))]

    return f"{name:<32} {at(0.5):>7.2f} {at(0.95):>7.2f} {at(0.99):>7.2f} {values[-1]:>7.2f} {len(values):>5}"


def landed(place: Place) -> int:
    """Rows that are in the sheets."""
    return int(place.query("select coalesce(sum(rows), 0) from collect.batch where state = 'landed'")[0][0])


def pending(place: Place) -> int:
    return int(place.query("select sum(f.head - i.cursor) from collect.integration i join collect.form f using (form_id)")[0][0])


def busiest_minute(times: list[float]) -> int:
    return max((sum(time <= other < time + 60 for other in times) for time in times), default=0)


def wait_until(true: Any, seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise SystemExit("Nothing moves.")
        time.sleep(0.2)


def told(good: bool) -> str:
    return "ok" if good else "MISSED"


if __name__ == "__main__":
    main()
