"""The log has keys from one list; whatever else is handed to it stays out (promise 10)."""

import asyncio
import gc
import io
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import structlog

from collect_pipelines.errors import Unavailable
from collect_pipelines.settings import Settings
from collect_pipelines.telemetry.logs import LOG_KEYS, configure_logging, get_logger

CANARY = "canary-4711"


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Reads the lines written so far; the process's logging is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = io.BytesIO()
    configure_logging(Settings(), stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def test_a_line_is_json_with_time_level_event_and_module(lines: Callable[[], list[dict[str, Any]]]) -> None:
    get_logger("here").info("request", status=201, form=None)

    (line,) = lines()
    assert line.pop("ts").endswith("Z")
    assert line == {"level": "info", "event": "request", "logger": "here", "status": 201}


def test_a_key_that_is_not_listed_is_dropped(lines: Callable[[], list[dict[str, Any]]]) -> None:
    get_logger("here").info("request", answers={"q": CANARY}, authorization=CANARY)

    assert CANARY not in json.dumps(lines())


def test_the_text_of_a_foreign_exception_is_left_out(lines: Callable[[], list[dict[str, Any]]]) -> None:
    try:
        raise ValueError(f"invalid input: {CANARY}")
    except ValueError as error:
        get_logger("here").error("internal_error", exc_info=error)
        logging.getLogger("somebody").exception("broken %s", CANARY)

    first, second = lines()
    assert CANARY not in json.dumps([first, second])
    assert first["error.type"] == "ValueError"
    assert "test_the_text_of_a_foreign_exception_is_left_out" in first["error.stack"][-1]


def test_the_text_of_an_exception_nobody_waited_for_is_left_out(lines: Callable[[], list[dict[str, Any]]]) -> None:
    async def fail() -> None:
        raise ValueError(f"invalid input: {CANARY}")

    async def lose_it() -> None:
        task = asyncio.create_task(fail())
        await asyncio.wait([task])
        del task
        gc.collect()

    asyncio.run(lose_it())

    (line,) = lines()
    assert CANARY not in json.dumps(line)
    assert (line["msg"], line["error.type"]) == ("Task exception was never retrieved", "ValueError")


def test_a_text_can_not_begin_a_line_of_its_own_or_steer_a_terminal() -> None:
    stream = io.BytesIO()
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    configure_logging(replace(Settings(), log_format="text"), stream)
    try:
        get_logger("here").warning("check_failed", msg="no\n2026-01-31T09:30:00.123Z info forged \x1b[2J\u2028")
    finally:
        root.handlers, root.level = handlers, level
        structlog.reset_defaults()

    assert stream.getvalue().decode().endswith("msg=no\\x0a2026-01-31T09:30:00.123Z info forged \\x1b[2J\\x2028\n")


def test_the_text_of_our_own_error_is_kept(lines: Callable[[], list[dict[str, Any]]]) -> None:
    get_logger("here").error("internal_error", exc_info=Unavailable("Postgres can't be reached."))

    assert lines()[0]["error.message"] == "Postgres can't be reached."


@pytest.mark.usefixtures("lines")
def test_a_log_nobody_reads_fails_nothing() -> None:
    stream = io.BytesIO()
    configure_logging(Settings(), stream)
    stream.close()

    get_logger("here").info("request", status=201)


def test_every_key_has_a_sentence() -> None:
    assert all(text.endswith(".") for text in LOG_KEYS.values())


@pytest.mark.usefixtures("lines")
def test_text_format_is_one_line() -> None:
    stream = io.BytesIO()
    configure_logging(Settings(log_format="text"), stream)

    get_logger("here").warning("worker_died", msg="Exit code 1.")

    assert stream.getvalue().endswith(b" warning worker_died logger=here msg=Exit code 1.\n")
