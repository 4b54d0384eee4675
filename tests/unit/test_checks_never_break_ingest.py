"""A check that raises, hangs, crashes, lies or is missing never breaks a response's way in; `on_error` decides what becomes of it."""

import asyncio
import errno
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from collect_pipelines.checks.breaker import TRIP_AFTER, WINDOW, Breaker
from collect_pipelines.checks.interface import Draft, Earlier, Fingerprint
from collect_pipelines.checks.isolation import member as member_module
from collect_pipelines.checks.isolation import tenant as tenant_module
from collect_pipelines.checks.isolation.child import LOWER_PRIORITY, Child
from collect_pipelines.checks.isolation.pool import KindProcesses
from collect_pipelines.checks.isolation.tenant import Tenant
from collect_pipelines.checks.isolation.wire import findings_of
from collect_pipelines.checks.runner import CheckOutcome, CheckRunner
from collect_pipelines.checks.verdict import Nonsense
from collect_pipelines.errors import Unavailable
from tests.strangers import DISTRIBUTION, ENDINGS, NONSENSE
from tests.unit.checks_world import READY_SECONDS, World, draft, form, world_in

ROOT = Path(__file__).parents[2]
HANGING = ["sleep", "spin", "regex", "power", "ignore signals"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("strange"), processes=1, memory_bytes=200 << 20) as made:
        yield made


def told(outcome: CheckOutcome) -> tuple[str, list[tuple[str, str]]]:
    return outcome.outcome, [(finding.code, finding.severity) for finding in outcome.findings]


def passes(world: World) -> bool:
    """Whether a check of the same kind works (again)."""
    return world.outcome(form(config={"do": "pass"})).outcome == "passed"


@pytest.mark.parametrize("place", ["process", "line"])
@pytest.mark.parametrize("do", NONSENSE)
def test_raising_and_nonsense_are_an_error_outcome_with_a_flag(world: World, do: str, place: str) -> None:
    response = draft()

    outcome = world.outcome(form({"process": "stranger", "line": "quick"}[place], config={"do": do}), response, trusted=True)

    assert told(outcome) == ("error", [("check.error", "flag")])
    assert re.match("(raised|returned|left) ", outcome.reason or "")
    assert "SECRET" not in repr(outcome)
    assert (response.answer_metadata, response.answers) == (draft().answer_metadata, draft().answers)


@pytest.mark.parametrize("do", HANGING)
def test_a_check_that_overruns_is_given_up_and_its_process_replaced(world: World, do: str) -> None:
    started = time.perf_counter()

    outcome = world.outcome(form(timeout_ms=60, config={"do": do}))

    assert told(outcome) == ("timeout", [("check.timeout", "flag")])
    assert time.perf_counter() - started < 5
    world.wait_for(lambda: world.noted.restarts[-1:] == [("stranger", "overrun")])
    assert passes(world)


@pytest.mark.parametrize("do", ENDINGS)
def test_a_check_that_ends_its_process_is_an_error_and_the_next_response_finds_another_one(world: World, do: str) -> None:
    outcome = world.outcome(form(config={"do": do}))

    assert told(outcome) == ("error", [("check.error", "flag")])
    assert re.search(ENDINGS[do], outcome.reason or ""), outcome.reason
    assert passes(world)


def test_a_leak_is_bounded_by_replacing_the_process(world: World) -> None:
    world.noted.restarts.clear()
    runner = world.runner(form(config={"do": "leak", "megabytes": 25}))

    outcomes = [world.do(runner.run(draft()))[-1].outcome for _ in range(30)]

    assert outcomes == ["passed"] * 30
    world.wait_for(lambda: world.noted.restarts.count(("stranger", "memory")) >= 2)
    assert all(psutil.Process(pid).memory_info().rss < 400 << 20 for pid in world.pids("stranger"))


def test_memory_that_is_taken_at_once_is_refused_to_the_process(world: World) -> None:
    outcome = world.outcome(form(config={"do": "swallow"}))

    assert (outcome.outcome, outcome.reason) == ("error", "raised MemoryError")
    assert passes(world)


@pytest.mark.parametrize("do", ["fork", "fork and exit", "start program", "start thread", "print"])
def test_what_a_check_leaves_behind_ends_with_its_process(world: World, do: str) -> None:
    world.outcome(form(config={"do": do}))
    processes = [process for pid in world.pids("stranger") for process in [psutil.Process(pid), *psutil.Process(pid).children()]]

    for process in processes:
        if process.is_running() and process.pid in world.pids("stranger"):
            os.kill(process.pid, signal.SIGKILL)

    world.wait_for(lambda: not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes))
    assert passes(world)


def test_however_much_a_check_prints_it_is_not_held_up_by_it(world: World) -> None:
    assert world.outcome(form(config={"do": "print very much"})).outcome == "passed"


def test_processes_of_checks_let_ingest_go_first(world: World) -> None:
    assert passes(world)

    assert [psutil.Process(pid).nice() - psutil.Process().nice() for pid in world.pids("stranger")] == [LOWER_PRIORITY]


@pytest.mark.parametrize("do", ["connect", "resolve"])
def test_a_check_has_no_network(world: World, do: str) -> None:
    assert world.outcome(form(config={"do": do})).reason == "raised NetworkDenied"


def test_a_check_sees_no_secret_and_no_descriptor_of_ingest(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for number, name in enumerate(["COLLECT_DATABASE_URL", "COLLECT_API_KEY", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "SOMETHING"]):
        monkeypatch.setenv(name, f"SECRET-{number}")
    with (tmp_path / "open").open("w") as file, world_in(tmp_path, processes=1) as fresh:
        os.set_inheritable(file.fileno(), True)
        data = fresh.outcome(form(config={"do": "tell surroundings"})).findings[0].data

    allowed = {"LANG", "LC_ALL", "LC_CTYPE", "PATH", "PYTHONPATH", "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE", "TMPDIR", "TZ"}
    assert set(data["environment"]) <= allowed
    assert "SECRET" not in data["values"]
    kinds = sorted(re.sub(r"[:/].*", "", kind) for kind in data["descriptors"].values() if kind != "closed")
    assert [kind for kind in kinds if kind != ""] == ["socket"]
    assert {kind for kind in data["descriptors"].values() if kind.startswith("/")} <= {"/dev/null", f"/proc/{data['pid']}/statm"}


def test_a_plug_in_that_is_not_trusted_is_never_imported_here(world: World) -> None:
    sys.modules.pop("strange_checks", None)

    assert world.outcome(form("quick")).outcome == "passed"
    assert "strange_checks" not in sys.modules
    assert world.outcome(form("quick"), trusted=True).outcome == "passed"
    assert "strange_checks" in sys.modules


@pytest.mark.parametrize(
    ("on_error", "expected", "severities"), [("accept", "{}", []), ("flag", "{}", ["flag"]), ("reject", "rejected", ["reject"])]
)
@pytest.mark.parametrize(("do", "outcome"), [("none", "error"), ("sleep", "timeout")])
def test_on_error_decides_what_a_failing_check_means(
    world: World, do: str, outcome: str, on_error: str, expected: str, severities: list[str]
) -> None:
    found = world.outcome(form(on_error=on_error, timeout_ms=50, config={"do": do}))

    assert (found.outcome, [finding.severity for finding in found.findings]) == (expected.format(outcome), severities)


def test_the_deadline_of_the_form_goes_before_the_timeout_of_a_check(world: World) -> None:
    started = time.perf_counter()

    assert world.outcome(form(timeout_ms=10_000, deadline_ms=50, config={"do": "sleep"})).outcome == "timeout"
    assert time.perf_counter() - started < 5


def test_a_hanging_form_leaves_other_forms_of_the_kind_and_other_checks_alone(world: World) -> None:
    definition = form(timeout_ms=50, name="hanging", config={"do": "sleep"})
    both = definition.model_copy(update={"checks": {**definition.checks, **form(kind="quick").checks}})
    hanging, sound = world.runner(both), world.runner(form(name="sound", config={"do": "note"}))

    async def many() -> list[list[CheckOutcome]]:
        return await asyncio.gather(*(runner.run(draft()) for _ in range(20) for runner in (hanging, sound)))

    found = world.do(many())
    assert {outcomes[-1].outcome for outcomes in found[0::2]} == {"passed"}
    assert {outcomes[1].outcome for outcomes in found[0::2]} <= {"timeout", "error"}
    assert {outcomes[-1].outcome for outcomes in found[1::2]} == {"flagged"}


def test_many_responses_at_once_each_get_their_own_answer(world: World) -> None:
    runner = world.runner(form(config={"do": "find"}))

    async def many() -> list[list[CheckOutcome]]:
        return await asyncio.gather(*(runner.run(draft(f"name {number}")) for number in range(300)))

    assert [outcomes[-1].findings[0].data["name"] for outcomes in world.do(many())] == [f"name {number}" for number in range(300)]


def test_a_check_that_fails_again_and_again_is_left_alone_and_comes_back(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    calls.mkdir()
    with world_in(tmp_path, pause_seconds=0.5) as world:
        runner = world.runner(form(timeout_ms=100, config={"do": "as told", "folder": str(calls)}))

        def try_with(name: str) -> CheckOutcome:
            return world.do(runner.run(draft(name)))[-1]

        while not world.noted.breakers:  # an attempt for which no process was free in time is none
            assert try_with("sleep").outcome == "timeout"
            world.do(asyncio.sleep(0.02))
            assert world.do(runner.is_ready(30))
        assert len(list(calls.iterdir())) == TRIP_AFTER
        assert world.noted.breakers == [("stranger", "f", True)]
        shut_since, tried = time.monotonic(), len(list(calls.iterdir()))
        outcome = try_with("pass")
        assert (outcome.outcome, outcome.reason) == ("error", "not tried for 0.5 s after repeated failures")
        assert len(list(calls.iterdir())) == tried

        world.wait_for(lambda: time.monotonic() > shut_since + 0.5)
        assert world.do(runner.is_ready(30))
        assert try_with("sleep").outcome == "timeout"  # half-open: one tries, and it is left alone again at once
        world.wait_for(lambda: try_with("pass").outcome == "passed")
        assert world.noted.breakers == [("stranger", "f", True), ("stranger", "f", False)]


def test_a_breaker_is_closed_then_open_then_half_open() -> None:
    told: list[bool] = []
    breaker = Breaker(30.0, told.append)

    assert [breaker.failed(now) for now in (3.0, 4.0, 5.0)] == [False, False, True]
    assert [breaker.allows(now) for now in (5.0, 34.9)] == [False, False]
    assert [breaker.allows(now) for now in (35.0, 35.1)] == [True, False]  # one tries
    assert breaker.failed(35.3)  # in vain: it is left alone for twice as long
    assert [breaker.allows(now) for now in (95.2, 95.3, 95.4)] == [False, True, False]
    assert breaker.allows(108.0)  # nobody heard of the trial again
    breaker.undecided()
    assert [breaker.allows(now) for now in (108.0, 108.0)] == [True, False]  # it never got to it: the next one tries
    breaker.answered()
    assert (breaker.allows(108.1), breaker.state, told) == (True, "closed", [True, False])


def test_a_check_that_passes_now_and_then_is_left_alone_too() -> None:
    breaker = Breaker()

    for _ in range(TRIP_AFTER - 1):
        assert not breaker.failed(0.0)
        breaker.answered()
    assert breaker.failed(0.0)


def test_a_failure_that_is_long_past_is_forgiven() -> None:
    breaker = Breaker()

    for _ in range(5 * TRIP_AFTER):
        assert not breaker.failed(0.0)
        for _ in range(WINDOW // 2):
            breaker.answered()
    assert breaker.state == "closed"


def test_after_it_was_closed_earlier_failures_do_not_count() -> None:
    breaker = Breaker(30.0)
    for _ in range(TRIP_AFTER):
        breaker.failed(0.0)
    assert breaker.allows(30.0)
    breaker.answered()

    assert [breaker.failed(31.0) for _ in range(TRIP_AFTER)] == [False, False, True]


def test_a_check_that_answers_and_uses_up_its_process_each_time_is_left_alone(tmp_path: Path) -> None:
    with world_in(tmp_path, memory_bytes=128 << 20) as world:
        runner = world.runner(form(config={"do": "leak", "megabytes": 150}))

        world.wait_for(lambda: world.do(runner.run(draft()))[-1].outcome == "error")

        assert world.noted.breakers == [("stranger", "f", True)]
        assert len(world.noted.restarts) == TRIP_AFTER


def test_a_check_that_is_tried_in_vain_is_left_alone_longer_each_time_but_not_for_ever() -> None:
    breaker = Breaker(30.0)
    now, pauses = 0.0, []

    for _ in range(TRIP_AFTER - 1):
        breaker.failed(now)
    for _ in range(6):
        breaker.failed(now)
        pauses.append(breaker.pause_seconds)
        now += breaker.pause_seconds
        assert breaker.allows(now)
    breaker.answered()

    assert pauses == [30.0, 60.0, 120.0, 240.0, 240.0, 240.0]
    assert breaker.pause_seconds == 30.0


def test_a_check_that_tells_fingerprints_and_then_hangs_is_left_alone_too(tmp_path: Path) -> None:
    with world_in(tmp_path, processes=1) as world:
        runner = world.runner(form("recogniser", timeout_ms=150, config={"do": "sleep then"}))

        for _ in range(10):
            world.do(runner.run(draft()))
            assert world.do(runner.is_ready(30))

        assert world.noted.breakers == [("recogniser", "f", True)]


def test_form_versions_of_one_kind_take_turns_however_many_responses_one_of_them_has(world: World) -> None:
    patient = {"do": "take a moment"}
    crowded, other = (world.runner(form(name=name, config=patient)) for name in ("crowded", "other"))
    order: list[str] = []

    async def one(name: str, runner: CheckRunner) -> None:
        assert (await runner.run(draft()))[-1].outcome == "passed"
        order.append(name)

    async def all_at_once() -> None:
        await asyncio.gather(*(one("crowded", crowded) for _ in range(20)), *(one("other", other) for _ in range(3)))

    world.do(all_at_once())
    assert order.index("other") <= 2
    assert [name for name in order[:8] if name == "other"] == ["other"] * 3


def test_making_many_forms_ready_leaves_a_process_for_the_responses(tmp_path: Path) -> None:
    slow = {"do": "take a moment", "place": "prepare"}
    with world_in(tmp_path, processes=2) as world:
        runners = [world.runner(form(name=f"f{number}", timeout_ms=5_000, config=slow)) for number in range(30)]
        pool = world.processes.of("stranger")

        def knowing_all() -> int:
            return sum(len(member.prepared) == len(runners) for member in pool.members)

        async def all_at_once() -> list[list[CheckOutcome]]:
            return await asyncio.gather(*(runner.run(draft()) for runner in runners))

        world.wait_for(lambda: knowing_all() == 2)
        os.kill(world.pids("stranger")[0], signal.SIGKILL)
        world.wait_for(lambda: len(pool.members) == 2 and any(member.work for member in pool.members))
        found = world.do(all_at_once())

        assert {outcomes[-1].outcome for outcomes in found} == {"passed"}
        assert knowing_all() == 1  # the other one is still at it
        world.wait_for(lambda: knowing_all() == 2)


def test_a_process_that_is_lost_while_it_makes_a_form_ready_is_believed_the_second_time(world: World) -> None:
    runner = type(world.runner(form()))(form(config={"do": "take a moment", "place": "prepare"}), world.processes)

    async def lost_once() -> bool:
        await runner.prepare()
        (member,) = world.processes.of("stranger").members
        while not member.work:
            await asyncio.sleep(0)
        os.kill(member.child.pid or 0, signal.SIGKILL)
        return await runner.is_ready(30)

    assert world.do(lost_once())
    assert runner.problems == ()


def test_nobody_waits_busily_while_a_process_that_ends_soon_is_the_only_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settled = []
    settle = KindProcesses._settle

    def counted(pool: KindProcesses, tenant: Tenant) -> None:
        settled.append(tenant)
        settle(pool, tenant)

    monkeypatch.setattr(KindProcesses, "_settle", counted)
    with world_in(tmp_path, processes=1) as world:
        sound = world.runner(form(name="sound", config={"do": "pass"}))
        busy = world.runner(form(name="busy", config={"do": "take a moment"}))

        async def with_one_that_ends() -> tuple[list[CheckOutcome], list[CheckOutcome]]:
            (member,) = world.processes.of("stranger").members
            first = asyncio.ensure_future(busy.run(draft()))
            while not member.work:
                await asyncio.sleep(0)
            member.retiring = True
            return await asyncio.gather(first, sound.run(draft()))

        outcomes = world.do(with_one_that_ends())

    assert [each[-1].outcome for each in outcomes] == ["passed", "passed"]
    assert len(settled) < 20


def test_a_process_that_can_not_be_started_is_an_error_outcome_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def no_descriptor(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with world_in(tmp_path) as crowded:
        monkeypatch.setattr(Child, "_start", no_descriptor)

        assert crowded.runner(form()).problems == ("could not be started (Too many open files)",)


def test_a_response_that_comes_after_the_end_starts_no_process(tmp_path: Path) -> None:
    with world_in(tmp_path) as world:
        world.do(world.processes.close())
        runner = CheckRunner(form(deadline_ms=50), world.processes)
        world.do(runner.prepare())

        assert world.do(runner.run(draft()))[-1].outcome == "error"
        assert world.pids("stranger") == []


@pytest.mark.parametrize("document", [[{}] * 101, {}, "text", [1]])
def test_more_findings_than_are_read_are_not_even_made(document: Any) -> None:
    with pytest.raises(Nonsense, match="not a list of at most 100 findings"):
        findings_of(document)


def test_answers_that_can_not_be_sent_to_a_process_are_an_error_outcome(world: World) -> None:
    response = Draft("r1", {"name": "x"}, respondent="\ud800")

    assert world.outcome(form(config={"do": "pass"}), response).reason == "can't be given these answers"


def test_an_in_line_check_that_is_slow_trips_the_breaker_too(world: World) -> None:
    runner = world.runner(form("quick", timeout_ms=1, deadline_ms=50, config={"do": "recurse"}), trusted=True)
    runner._places["quick"]._limit = 0.0  # type: ignore[union-attr]

    outcomes = [world.do(runner.run(draft()))[-1] for _ in range(TRIP_AFTER + 1)]

    assert [outcome.reason for outcome in outcomes][-2:] == ["raised RecursionError", "not tried for 30 s after repeated failures"]


def test_findings_and_noted_facts_of_a_sound_check_are_passed_on(world: World) -> None:
    for kind in ("stranger", "quick"):
        response = draft()

        noted = world.outcome(form(kind, config={"do": "note"}), response, trusted=True)
        found = world.outcome(form(kind, config={"do": "find"}), trusted=True)
        generated = world.outcome(form(kind, config={"do": "generator"}), trusted=True)

        assert (noted.outcome, noted.findings[0].code, response.answer_metadata) == ("flagged", "short", {"name": {"length": 16}})
        assert (found.outcome, found.findings[0].code, found.findings[0].question) == ("rejected", "wrong", "name")
        assert (generated.outcome, generated.findings[0].severity) == ("passed", "note")


@pytest.mark.parametrize(
    ("kind", "config", "expected"),
    [
        ("not_installed", {}, "No plug-in of kind"),
        ("../../evil", {}, "No plug-in of kind"),
        ("broken", {}, "strange_checks_missing is missing"),
        ("no_check", {}, "is not a check"),
        ("raises_on_import", {}, "it raised RuntimeError"),
        ("exits_on_import", {}, "exit code 4"),
        ("large_on_import", {}, "uses more memory than it may"),
        ("stranger", {"doo": 1}, "configuration of check 'stranger' is not valid: doo"),
        ("stranger", {"do": "raise with the answer", "place": "init"}, "raised AttributeError"),
        ("stranger", {"do": "leave", "place": "prepare"}, "raised SystemExit"),
        ("stranger", {"do": "exit", "place": "prepare"}, "exit code 3.* while the check was made ready"),
        ("quick", {"doo": 1}, "configuration of check 'quick' is not valid: doo"),
        ("quick", {"do": "leave", "place": "prepare"}, "raised SystemExit"),
    ],
)
def test_a_check_that_can_not_be_made_ready_is_named_and_treated_by_on_error(
    world: World, kind: str, config: dict[str, Any], expected: str
) -> None:
    definition = form(kind=kind, config=config, on_error="reject")
    runner = world.runner(definition, trusted=kind == "quick")

    assert re.search(expected, runner.problems[0])
    assert "SECRET" not in runner.problems[0]
    assert world.do(runner.run(draft()))[-1].outcome == "rejected"


@pytest.mark.parametrize("trusted", [False, True], ids=["in a process", "in line"])
def test_a_kind_that_is_installed_later_is_found_by_the_next_look(
    world: World, trusted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    kind = f"latecomer_{'near' if trusted else 'far'}"
    runner = world.runner(form(kind), trusted=trusted)
    world.do(runner.look_again())
    assert runner.misses
    assert "No plug-in of kind" in runner.problems[0]

    (tmp_path / f"{kind}_package.py").write_text("from strange_checks import Stranger\nclass Late(Stranger):\n    bounded = True\n")
    info = tmp_path / f"{kind}_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {DISTRIBUTION if trusted else 'far-checks'}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[collect_pipelines.checks]\n{kind} = {kind}_package:Late\n")
    world.do(runner.look_again())
    assert world.do(runner.is_ready(READY_SECONDS))

    assert (runner.misses, runner.problems) == (False, ())
    assert world.do(runner.run(draft()))[-1].outcome == "passed"


def test_an_import_that_never_ends_holds_nobody_up_and_is_ended(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    runner = world.runner(form("quick"))
    runner = type(runner)(form("hangs_on_import", deadline_ms=60), world.processes)
    world.do(runner.prepare())

    first, second = (world.do(runner.run(draft()))[-1] for _ in range(2))

    assert (first.outcome, first.reason) == (second.outcome, second.reason) == ("error", "is getting ready")
    assert [finding.message for finding in first.findings] == [
        "The check “hangs_on_import” is getting ready; this response was judged without it."
    ]
    back = type(runner)(form("hangs_on_import", deadline_ms=60, on_error="reject"), world.processes)
    world.do(back.prepare())
    refused = world.do(back.run(Draft("r", {"name": "Asha"}, language="fr")))[-1]
    assert refused.outcome == "rejected"
    assert "veuillez renvoyer dans un instant" in refused.findings[0].message
    assert first.duration_ms > 50
    assert second.duration_ms < 50  # the wait of the first one is not repeated
    monkeypatch.setattr(member_module, "START_SECONDS", 0.2)
    with world_in(tmp_path) as impatient:
        hanging = impatient.runner(form("hangs_on_import"))
        assert hanging.problems == ("takes longer than 0 s to be imported",)
        assert impatient.noted.restarts[0] == ("hangs_on_import", "start")


def test_preparing_one_form_for_ever_leaves_the_others_of_the_kind_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenant_module, "PREPARE_SECONDS", 0.2)
    sound = world.runner(form(config={"do": "pass"}))

    hanging = world.runner(form(config={"do": "sleep", "place": "prepare"}))

    assert "took too long while the check was made ready" in hanging.problems[0]
    assert world.do(sound.run(draft()))[-1].outcome == "passed"


def test_other_checks_are_skipped_when_types_are_wrong_but_not_when_an_answer_is_missing(world: World) -> None:
    definition = form(config={"do": "generator"})

    assert world.outcome(definition, Draft("r", {"name": 5})).outcome == "skipped"
    assert world.outcome(definition, Draft("r", {"name": "x", "zzz": 5})).outcome == "skipped"
    assert world.outcome(definition, Draft("r", {})).outcome == "passed"


def test_a_form_without_further_checks_runs_the_answers_check_in_line(world: World) -> None:
    definition = form().model_copy(update={"checks": {}})

    outcomes = world.outcomes(definition, Draft("r", {"name": 1}))

    assert [(outcome.check, outcome.outcome, outcome.findings[0].code) for outcome in outcomes] == [("answers", "rejected", "type")]


def test_earlier_responses_are_looked_up_by_the_fingerprints_of_a_check_under_its_own_name(world: World) -> None:
    asked: list[Fingerprint] = []
    moment = datetime(2026, 1, 31, tzinfo=UTC)

    async def look_up(fingerprints: Any) -> tuple[Earlier, ...]:
        asked.extend(fingerprints)
        return (Earlier(fingerprints[0].name, "r0", moment),)

    for trusted in (False, True):
        outcome = world.outcome(form("recogniser"), draft("Asha"), look_up=look_up, trusted=trusted)

        assert outcome.findings[0].data["earlier"] == [["name", "r0", moment.isoformat()]]
    assert asked == [Fingerprint("recogniser.name", b"Asha", 3600)] * 2


def test_a_look_up_that_fails_or_fingerprints_that_are_none_are_an_error_outcome(world: World) -> None:
    async def away(_: Any) -> tuple[Earlier, ...]:
        raise Unavailable("away")

    assert world.outcome(form("recogniser"), look_up=away).reason == "earlier responses can't be looked up now"
    assert "fingerprint whose name" in (world.outcome(form("recogniser", config={"do": "bad fingerprints"})).reason or "")


def test_reference_lists_reach_the_check_and_are_followed_when_they_change(world: World) -> None:
    lists: dict[str, Any] = {"words": [{"term": "a"}], "unwanted": [{"term": "b"}]}
    runner = world.runner(form("recogniser"), lists=lists)

    def seen() -> Any:
        return world.do(runner.run(draft()))[-1].findings[0].data["words"]

    assert runner.references == {"words"}
    assert seen() == [{"term": "a"}]
    lists["words"] = [{"term": "b"}]
    world.do(runner.prepare())
    world.wait_for(lambda: seen() == [{"term": "b"}])


@pytest.mark.parametrize("do", ["regex", "ignore signals"])
def test_the_processes_of_checks_end_with_ingest_however_it_ends(world: World, do: str, tmp_path: Path) -> None:
    script = tmp_path / "ingest.py"
    script.write_text(
        "import asyncio, sys\n"
        f"sys.path[:0] = {sys.path!r}\n"
        "from tests.unit.checks_world import World, draft, form\n"
        "world = World()\n"
        f"runner = world.runner(form(timeout_ms=10_000, config={{'do': {do!r}}}))\n"
        "async def work():\n"
        "    asyncio.get_running_loop().call_later(0.1, lambda: print(*world.pids('stranger'), flush=True))\n"
        "    await runner.run(draft())\n"
        "world.do(work())\n"
    )
    with subprocess.Popen([sys.executable, str(script)], cwd=ROOT, stdout=subprocess.PIPE) as ingest:
        assert ingest.stdout is not None
        pids = [int(word) for word in ingest.stdout.readline().split()]
        assert pids
        assert all(psutil.pid_exists(pid) for pid in pids)

        ingest.kill()

    world.wait_for(lambda: not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids))
