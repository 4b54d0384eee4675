"""Who is written to, how often and when: opt-outs, cool-down, caps, quiet hours, age; and edits get no second message unless asked for."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from collect_pipelines.destinations.interface import Outcome
from collect_pipelines.destinations.sms.hours import seconds_of_quiet
from collect_pipelines.destinations.sms.providers import local
from collect_pipelines.settings import Settings
from collect_pipelines.telemetry.logs import configure_logging, get_logger
from tests.contract.sms_desk import ASHA, JOAO, NOON, RAVI, Clock, Scene, batch, row


def scene(now: datetime = NOON, **settings: Any) -> Scene:
    return Scene({"provider": "log", **settings}, clock=Clock(now))


def told(outcomes: tuple[Outcome, ...]) -> list[tuple[str, str | None]]:
    return [(outcome.state, outcome.reason) for outcome in outcomes]


def states(outcomes: tuple[Outcome, ...]) -> list[str]:
    return [outcome.state for outcome in outcomes]


def test_a_number_that_opted_out_gets_nothing() -> None:
    it = scene()
    it.context.opted.add(ASHA)

    assert told(it.deliver(row("r1"), row("r2", RAVI))) == [("skipped", "The number has opted out."), ("delivered", None)]
    assert it.states() == {"r1": "suppressed", "r2": "sent"}


def test_a_stop_counts_from_the_next_message_on(monkeypatch: pytest.MonkeyPatch) -> None:
    it = scene()
    send = local.LogOnly.send

    def send_and_hear(provider: local.LogOnly, message: Any) -> Any:
        it.context.opted.add(RAVI)
        return send(provider, message)

    monkeypatch.setattr(local.LogOnly, "send", send_and_hear)

    assert states(it.deliver(row("r1"), row("r2", RAVI))) == ["delivered", "skipped"]


def test_a_number_gets_one_message_within_the_cool_down() -> None:
    it = scene(cooldown_seconds=600)
    first = it.deliver(row("r1"), row("r2"), row("r3", RAVI))
    it.clock.passes(599)
    second = it.deliver(row("r4"))
    it.clock.passes(2)
    third = it.deliver(row("r5"))

    assert states(first) == ["delivered", "skipped", "delivered"]
    assert first[1].reason == "The number got a message less than 600 seconds ago."
    assert states(second + third) == ["skipped", "delivered"]


def test_a_number_gets_so_many_messages_a_day() -> None:
    it = scene(cooldown_seconds=0, most_per_number=2)
    outcomes = it.deliver(row("r1"), row("r2"), row("r3"), row("r4", RAVI))
    it.clock.passes(86_401)

    assert states(outcomes) == ["delivered", "delivered", "skipped", "delivered"]
    assert states(it.deliver(row("r5"))) == ["delivered"]


def test_what_is_over_the_daily_cap_waits_until_there_is_room() -> None:
    it = scene(cooldown_seconds=0, most_per_day=2)
    it.deliver(row("r1"))
    it.clock.passes(3600)
    outcomes = it.deliver(row("r2", RAVI), row("r3", JOAO), row("r4", JOAO))
    wait = outcomes[1].after
    assert wait is not None
    it.clock.passes(wait)

    assert states(outcomes) == ["delivered", "later", "later"]
    assert not outcomes[1].aside, "it concerns everybody: what is new waits as well"
    assert 86_400 - 3600 <= wait <= 86_400 - 3600 + 60
    assert states(it.deliver(row("r3", JOAO), row("r4", JOAO))) == ["delivered", "later"]


def test_messages_take_their_turn_under_a_rate() -> None:
    it = scene(per_minute=60)
    it.context.waits = [0.0, 2.5]

    assert [(one.state, one.after) for one in it.deliver(row("r1"), row("r2", RAVI))] == [("delivered", None), ("later", 2.5)]


@pytest.mark.parametrize(
    ("now", "number", "seconds"),
    [
        (datetime(2030, 1, 15, 15, 29, tzinfo=UTC), ASHA, 0), (datetime(2030, 1, 15, 15, 30, tzinfo=UTC), ASHA, 11 * 3600),
        (datetime(2030, 1, 15, 20, 30, tzinfo=UTC), ASHA, 6 * 3600), (datetime(2030, 1, 16, 2, 29, tzinfo=UTC), ASHA, 60),
        (datetime(2030, 1, 16, 2, 30, tzinfo=UTC), ASHA, 0), (datetime(2030, 1, 15, 15, 30, tzinfo=UTC), JOAO, 0),
        (datetime(2030, 1, 16, 0, 30, tzinfo=UTC), JOAO, 10 * 3600 + 1800),
    ],
)  # fmt: skip
def test_nobody_is_written_to_in_the_quiet_hours_of_their_own_clock(now: datetime, number: str, seconds: float) -> None:
    it = scene(now, quiet_hours="21:00-08:00")
    (outcome,) = it.deliver(row("r1", number))

    assert (outcome.state, outcome.after, outcome.aside) == (("later", seconds, True) if seconds else ("delivered", None, False))
    it.clock.passes(seconds)
    assert states(it.deliver(row("r1", number))) == ["delivered"]


@given(
    st.integers(0, 365 * 24 * 60),
    st.times(),
    st.times(),
    st.lists(st.sampled_from(["UTC", "Asia/Kolkata", "Europe/Berlin", "America/New_York", "Pacific/Auckland"]), min_size=1, max_size=2),
)
def test_after_the_wait_it_is_quiet_nowhere(minute: int, begin: Any, end: Any, zones: list[str]) -> None:
    begin, end = begin.replace(second=0, microsecond=0), end.replace(second=0, microsecond=0)
    if begin == end:
        return
    hours = f"{begin:%H:%M}-{end:%H:%M}"
    aware = NOON + timedelta(minutes=minute)
    wait = seconds_of_quiet(hours, zones, aware)
    over = aware + timedelta(seconds=wait)

    assert 0 <= wait <= 3 * 86_400
    assert seconds_of_quiet(hours, zones, over) == 0 or wait >= 2 * 86_400
    for zone in zones:
        clock = over.astimezone(ZoneInfo(zone)).time()
        within = begin <= clock < end if begin < end else clock >= begin or clock < end
        assert not within or wait >= 2 * 86_400


def test_old_responses_get_no_message_and_leave_no_trace_in_the_journal() -> None:
    it = scene(within_hours=24)
    old = {**row("r1"), "received_at": NOON - timedelta(hours=25)}

    assert told(it.deliver(old, row("r2"))) == [("skipped", "The response was received more than 24 hours ago."), ("delivered", None)]
    assert it.states() == {"r2": "sent"}


def test_an_edit_gets_no_second_message() -> None:
    it = scene(cooldown_seconds=0)
    it.deliver(row("r1"))
    edited = it.deliver(row("r1", revision=2, operation="edit"))

    assert told(edited) == [("skipped", "A message was sent for an earlier revision.")]
    assert it.context.history == [("r1", "sending"), ("r1", "sent")]


def test_an_edit_that_brings_the_number_gets_the_first_message() -> None:
    it = scene()
    before = it.deliver(row("r1", None))
    after = it.deliver(row("r1", revision=2, operation="edit"))

    assert told(before) == [("skipped", "There is no phone number.")]
    assert (states(after), it.states()) == (["delivered"], {"r1": "sent"})


def test_with_on_edit_every_revision_gets_a_message_of_its_own_once() -> None:
    it = scene(cooldown_seconds=0, on_edit="send")
    outcomes = it.deliver(row("r1")) + it.deliver(row("r1", revision=2)) + it.deliver(row("r1", revision=2)) + it.deliver(row("r1"))

    assert states(outcomes) == ["delivered"] * 4
    assert it.states() == {"r1": "sent", "r1@2": "sent"}
    assert sum(state == "sending" for _, state in it.context.history) == 2


def test_what_on_edit_says_later_sends_nothing_again() -> None:
    it = scene(cooldown_seconds=0)
    it.deliver(row("r1"))
    it.settings["on_edit"] = "send"

    assert states(it.deliver(row("r1"))) == ["delivered"]
    assert it.states() == {"r1": "sent"}


def test_a_refused_text_and_a_deleted_response_get_no_message() -> None:
    it = scene(template="word " * 100, most_segments=1, too_long="refuse")
    outcomes = it.deliver(row("r1"), row("r2", operation="delete"))

    assert told(outcomes) == [("refused", "Its text has more than 1 segments."), ("skipped", "The response was deleted.")]


def test_numbers_and_texts_are_nowhere_in_the_journal(capsys: pytest.CaptureFixture[str]) -> None:
    it = scene()
    it.context.opted.add(RAVI)
    it.deliver(row("r1"), row("r2", RAVI), row("r3", "12"))
    kept = str(it.context.lines) + str(it.context.memory) + "".join(capsys.readouterr())

    for secret in (ASHA, RAVI, "9876543210", "Asha", "Thank"):
        assert secret not in kept
    subjects = {line.subject for line in it.context.lines.values() if line.subject}
    assert len(subjects) == 2 and all(len(subject) == 32 for subject in subjects)


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[BytesIO]:
    """What the process writes; its logging is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    written = BytesIO()
    configure_logging(Settings(), written)
    monkeypatch.setattr(local, "log", get_logger(local.__name__))
    yield written
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def test_the_log_says_which_response_and_how_many_segments_and_no_more(stream: BytesIO) -> None:
    scene(on_edit="send").deliver(row("r1"), row("r2", RAVI, name="रवि"))
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]

    assert [(line["event"], line["integration"], line["response_id"], line["segments"]) for line in lines] == [
        ("sms", "visit-sms", "r1", 1),
        ("sms", "visit-sms", "r2", 1),
    ]
    assert "9876543210" not in str(lines) and "Asha" not in str(lines)


def test_a_file_takes_each_message_once_even_after_half_a_line(tmp_path: Path) -> None:
    it = Scene({"provider": {"kind": "file", "path": str(tmp_path / "out" / "sms.ndjson")}, "cooldown_seconds": 0})
    it.deliver(row("r1"))
    path = tmp_path / "out" / "sms.ndjson"
    with path.open("a") as file:
        file.write('{"reference": "r2", "to"')
    it.deliver(row("r2"))
    lines = path.read_text().splitlines()

    assert len(lines) == 3 and '"reference": "r2"' in lines[2] and lines[2].endswith("}")
    assert path.stat().st_mode & 0o077 == 0, "for the workers' account alone"


def test_the_preview_shows_texts_segments_and_reasons_and_writes_nothing() -> None:
    it = scene(template={"en": "Thank you {name}", "hi": "धन्यवाद {name}"}, language_from="speaks")
    it.context.opted.add(RAVI)
    rows = [row("r1"), row("r2", speaks="hi"), row("r3", RAVI), row("r4", None)]

    assert it.worker().preview(batch(*rows)).splitlines() == [
        f"r1 to {ASHA}: 1 segment (GSM-7, 14 used, 146 left)",
        "  Thank you Asha",
        f"r2 to {ASHA}: 1 segment (UCS-2, 12 used, 58 left)",
        "  धन्यवाद Asha",
        "r3: no message, the number has opted out",
        "r4: no message, there is no phone number",
        "2 messages, 2 segments",
    ]
    assert (it.context.history, it.context.memory) == ([], {})
