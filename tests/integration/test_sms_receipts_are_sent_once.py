"""Receipts through the real core and the real log: sent once whatever fails, and what nobody can know is shown (promises 4, 5)."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from collect_pipelines.destinations.sms import Sms
from collect_pipelines.store.database import Database
from tests.contract.sms_desk import ASHA, JOAO, RAVI
from tests.contract.sms_twilio import TOKEN, TwilioStandIn, twilio
from tests.integration.backlog_tools import Commands
from tests.integration.sms_tools import LEASE_SECONDS, MOMENTS, Receipts, at, now, receipts
from tests.integration.sync_tools import one_database, submission

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres

REPOSITORY = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "tests.integration.sms_tools"]


@pytest.fixture(scope="module")
def database(postgres: "EmbeddedPostgres", template_database: str) -> Iterator[Database]:
    with one_database(postgres, template_database) as opened:
        yield opened


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[TwilioStandIn]:
    monkeypatch.setenv("SMS_TOKEN", TOKEN)
    with twilio() as running:
        yield running


def test_a_provider_that_times_out_after_sending_sent_once_and_is_found_out_by_look_up(
    database: Database, tmp_path: Path, server: TwilioStandIn
) -> None:
    it = receipts(database, tmp_path, server.impatient())
    run = Commands(database.url, tmp_path)
    it.respond("asha", "ravi")
    server.faults.append("hang after")
    it.deliver()
    (letter,) = run.json("failures", "list", "--integration", it.integration.name)["dead_letters"]
    listed = run.json("sms", "list", it.integration.name, "--state", "unknown")["messages"]
    in_doubt = it.accounted()
    it.hurry()
    while it.deliver():
        it.hurry()

    assert (letter["response_id"], letter["unknown"], letter["state"]) == ("asha", True, "waiting")
    assert "not known whether the message was sent" in letter["reason"]
    assert [(one["response"], one["state"], one["segments"]) for one in listed] == [("asha", "unknown", 1)]
    assert in_doubt == {"pending": 2}
    assert sorted(server.texts()) == ["Thank you asha", "Thank you ravi"], "each once"
    assert it.accounted() == {"delivered": 2}
    assert it.letters() == []
    assert it.states("asha", "ravi") == {"asha": "sent", "ravi": "sent"}
    assert server.look_ups == 1


def test_what_no_look_up_finds_waits_for_a_person_who_decides(database: Database, tmp_path: Path, server: TwilioStandIn) -> None:
    it = receipts(database, tmp_path, server.provider())
    run = Commands(database.url, tmp_path)
    name = it.integration.name
    it.respond("asha")
    server.faults.append("500 before")
    it.deliver()
    for _ in range(10):
        it.hurry()
        it.deliver()
    (letter,) = it.letters()
    run("failures", "retry", "--integration", name, "--yes")
    it.deliver()
    still = server.texts()
    run("sms", "mark", name, "asha", "not-sent")
    it.deliver()

    assert (letter.state, letter.unknown) == ("open", True)
    assert still == [], "a retry looks it up again and never sends it by itself"
    assert server.texts() == ["Thank you asha"]
    assert it.accounted() == {"delivered": 1}
    run("sms", "mark", name, "asha", "sent", code=3)
    run("sms", "mark", name, "nobody", "sent", code=4)


@pytest.fixture(scope="module")
def killed(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TwilioStandIn, dict[str, Receipts]]]:
    """Per moment an integration whose worker was killed then."""
    folder = tmp_path_factory.mktemp("killed")
    with twilio() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMS_TOKEN", TOKEN)
        scenes = {}
        for number, moment in enumerate(MOMENTS):
            scenes[moment] = receipts(database, folder, server.provider(), template=f"Thank you {{name}} {number}")
            scenes[moment].respond(asha=ASHA, ravi=RAVI)
        program = [*PROGRAM, "killed", database.url, str(folder), *(str(one.integration_id) for one in scenes.values())]
        finished = subprocess.run(program, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)

        assert finished.returncode == 0, finished.stderr
        time.sleep(LEASE_SECONDS)
        yield server, scenes


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_worker_killed_at_any_step_never_sends_twice(killed: tuple[TwilioStandIn, dict[str, Receipts]], moment: str) -> None:
    server, scenes = killed
    it, number = scenes[moment], MOMENTS.index(moment)
    for _ in range(10):
        it.hurry()
        it.deliver(owner="successor")
    texts = [text for text in server.texts() if text.endswith(f" {number}")]
    states = it.states("asha", "ravi")
    unknown = [letter.response_id for letter in it.letters() if letter.unknown and letter.state == "open"]

    assert len(texts) == len(set(texts)), "never twice"
    for name in ("asha", "ravi"):
        was_sent = f"Thank you {name} {number}" in texts
        assert states[name] == ("sent" if was_sent else "unknown"), "what is known is true"
        assert was_sent or name in unknown, "what nobody knows is listed"
    # killed between the note and the call, nobody can know; at every other moment both are sent
    in_between = {"after note 1", "before guard 1", "after guard 1", "before send 1"}
    assert len(unknown) == (1 if moment in in_between else 0)
    assert it.accounted() == {"delivered": 2 - len(unknown)} | ({"dead_lettered": 1} if unknown else {})


def test_a_worker_that_comes_back_after_its_lease_ran_out_sends_nothing_twice(
    database: Database, tmp_path: Path, server: TwilioStandIn
) -> None:
    it = receipts(database, tmp_path, server.provider())
    it.respond("asha", "ravi")
    server.faults.append("hang after")
    first = threading.Thread(target=it.deliver, kwargs={"owner": "frozen", "lease_seconds": LEASE_SECONDS})
    first.start()
    server.heard(1)
    it.expire_lease()
    second = it.deliver(owner="second")
    server.released.set()
    first.join()
    it.hurry()
    it.deliver(owner="third")

    assert second == "delivered"
    assert sorted(server.texts()) == ["Thank you asha", "Thank you ravi"]
    assert it.accounted() == {"delivered": 2}


def test_a_cap_holds_over_processes(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "sms.ndjson"
    it = receipts(database, tmp_path, {"kind": "file", "path": str(path)}, most_per_day=7)
    it.respond(*(f"r{number}" for number in range(12)))
    program = [*PROGRAM, "work", database.url, str(tmp_path), str(it.integration_id), "2"]
    ended = subprocess.run(program, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    lines = [json.loads(line) for line in path.read_text().splitlines()]

    assert ended.returncode == 0, ended.stderr
    assert [line["reference"] for line in lines] == [f"r{number}" for number in range(7)]
    assert it.accounted() == {"delivered": 7, "pending": 5}
    assert it.integration.next_attempt_at is not None
    assert it.integration.next_attempt_at > now() + timedelta(minutes=50), "the core looks again every hour"


def test_quiet_hours_set_a_receipt_aside_until_they_are_over(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "sms.ndjson"
    it = receipts(database, tmp_path, {"kind": "file", "path": str(path)}, quiet_hours="21:00-08:00", within_hours=8760)
    it.respond("asha")
    tonight = datetime.combine(now().date() + timedelta(days=1), datetime.min.time(), UTC) + timedelta(hours=18)  # 23:30 in India
    it.deliver(at(tonight))
    (letter,) = it.letters()
    left = it.accounted()
    again = it.deliver(at(tonight))
    it.hurry()
    it.deliver(at(tonight + timedelta(hours=8, minutes=30)))

    assert (letter.state, letter.reason, letter.unknown) == ("waiting", "It is within the quiet hours 21:00-08:00.", False)
    assert letter.next_attempt_at is not None
    assert timedelta(hours=8.5) - timedelta(minutes=1) < letter.next_attempt_at - now() < timedelta(hours=9.5)
    assert (left, again) == ({"pending": 1}, None)
    assert len(path.read_text().splitlines()) == 1
    assert it.accounted() == {"delivered": 1}


def test_a_recipient_who_sleeps_holds_up_nobody_who_is_awake(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "sms.ndjson"
    it = receipts(database, tmp_path, {"kind": "file", "path": str(path)}, quiet_hours="21:00-08:00", within_hours=8760)
    it.respond(asha=ASHA, joao=JOAO)
    tonight = datetime.combine(now().date() + timedelta(days=1), datetime.min.time(), UTC) + timedelta(hours=18)  # 15:00 in Sao Paulo
    it.deliver(at(tonight))
    it.respond(ravi=RAVI)
    it.deliver(at(tonight))
    it.respond(maria=JOAO)
    it.deliver(at(tonight))

    assert [json.loads(line)["reference"] for line in path.read_text().splitlines()] == ["joao", "maria"], "at once, also behind sleepers"
    assert it.accounted() == {"delivered": 2, "pending": 2}
    assert it.integration.next_attempt_at is None


def test_edits_and_replays_send_nothing_again(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "sms.ndjson"
    it = receipts(database, tmp_path, {"kind": "file", "path": str(path)})
    run = Commands(database.url, tmp_path)
    it.respond("asha")
    it.deliver()
    it.accept(submission(it.form_id, "asha", {"name": "Asha", "phone": RAVI}, "edit", 1))
    it.validate()
    it.deliver()
    edited = it.accounted()
    run("replay", it.integration.name, "--positions", "1-2", "--yes")
    it.deliver()

    assert len(path.read_text().splitlines()) == 1
    assert edited == {"delivered": 1, "filtered": 1}
    assert sum(it.accounted().values()) == 2 and "pending" not in it.accounted()


def test_numbers_and_texts_are_in_no_table_but_the_log_and_the_opt_outs(database: Database, tmp_path: Path, server: TwilioStandIn) -> None:
    it = receipts(database, tmp_path, server.impatient(), most_per_day=4)
    run = Commands(database.url, tmp_path)
    canary, opted = "+919123456780", "+919123456781"
    run("sms", "opt-out", "add", opted)
    it.respond(canary=canary, quaver=canary, opted=opted, nowhere="91234567", other="+919123456782", more="+919123456783")
    server.faults.extend((21211, "hang after"))
    for _ in range(3):
        it.deliver()
        it.hurry()
    states = set(it.states("canary", "quaver", "opted", "nowhere").values())
    kept = contents(database)

    assert states == {"refused", "sent", "suppressed"}
    # partitions of the log have a number behind their name
    assert {table.rstrip("_0123456789") for table, rows in kept.items() if "912345678" in rows} == {"response", "opt_out"}
    assert "Thank you quaver" in server.texts() and "Thank you quaver" not in str(kept), "the text is at the provider, nowhere else"
    run("sms", "opt-out", "remove", opted)


def contents(database: Database) -> dict[str, str]:
    """All that is in each table."""
    with database.begin() as connection:
        tables = connection.execute(text("select tablename from pg_tables where schemaname = 'collect'")).scalars().all()
        return {table: str(connection.execute(text(f'select one::text from collect."{table}" one')).scalars().all()) for table in tables}


def test_a_secret_that_was_changed_counts_from_the_next_batch_on(database: Database, tmp_path: Path) -> None:
    with twilio() as server:
        it = receipts(database, tmp_path, server.provider(auth_token=f"file:{tmp_path / 'token'}"))
        (tmp_path / "token").write_text(TOKEN)
        courier = it.courier(Sms)
        ended = []
        for name, token in (("asha", TOKEN), ("ravi", "a-new-token")):
            (tmp_path / "token").write_text(token)
            server.token = token
            it.respond(name)
            report = courier.deliver(it.integration_id)
            ended.append(report and report.outcome)
        courier.close()

    assert ended == ["delivered", "delivered"]
    assert server.texts() == ["Thank you asha", "Thank you ravi"]


def test_a_configuration_that_does_not_fit_the_form_is_refused_when_it_is_saved(database: Database, tmp_path: Path) -> None:
    it = receipts(database, tmp_path, "log")
    run = Commands(database.url, tmp_path)
    given = ["--form", it.integration.form, "--name", "other", "--set", "provider=log", "--set", "to=phone"]
    unknown = run("integrations", "add", "sms", *given, "--set", "template=Thank you {nmae}", code=3)
    masked = run("integrations", "add", "sms", *given, "--set", "template=Thank you", "--mask", "phone=last4", code=3)
    run("integrations", "add", "sms", *given, "--set", "template=Thank you {name}")

    assert "`{nmae}` names no question; did you mean `{name}`?" in unknown.stderr
    assert "no question `phone` among the columns of the integration, or it is masked" in masked.stderr
