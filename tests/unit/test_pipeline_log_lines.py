"""Every micro-batch leaves a line with the ids by which people search: run, lane, form, integration."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from assets import lines
from collect_pipelines.settings import Settings
from collect_pipelines.sync.report import Report
from collect_pipelines.telemetry.logs import configure_logging, get_logger


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.BytesIO]:
    """What the process writes; its logging is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    written = io.BytesIO()
    configure_logging(Settings(), written)
    monkeypatch.setattr(lines, "log", get_logger(lines.__name__))
    yield written
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def test_a_batch_is_told_with_run_and_integration(stream: io.BytesIO) -> None:
    delivered = Report("warehouse", "household", "delivered", integration="w", rows=3, delivered=3, seconds=0.5, to_position=7)
    blocked = Report("warehouse", "household", "blocked", integration="w", message="The file can't be written.")

    lines.log_reports([delivered, blocked], "run-1")

    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert first.pop("ts")
    assert first == {
        "level": "info",
        "event": "batch",
        "logger": "assets.lines",
        "run_id": "run-1",
        "lane": "warehouse",
        "form": "household",
        "integration": "w",
        "outcome": "delivered",
        "position": 7,
        "rows": 3,
        "duration_ms": 500.0,
    }
    assert (second["level"], second["msg"]) == ("warning", "The file can't be written.")
