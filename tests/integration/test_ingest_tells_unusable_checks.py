"""A check that can't be used is told in the log and as a number before the first response, and the process stays ready."""

import asyncio
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import structlog

from collect_pipelines.checks.isolation.processes import CheckProcesses
from collect_pipelines.ingest import check_watch
from collect_pipelines.ingest.check_watch import CheckWatch
from collect_pipelines.ingest.forms import FormBook
from collect_pipelines.ingest.threads import StoreThreads
from collect_pipelines.local.postgres import EmbeddedPostgres
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.store.keys import create_key, find_key
from collect_pipelines.telemetry.ingest_metrics import IngestMetrics
from collect_pipelines.telemetry.logs import configure_logging, get_logger
from tests.integration.ingest_server import IngestProcess, cloned, ingest, publish, wait_for


def form(name: str, **checks: object) -> str:
    questions = [{"key": "name", "type": "text", "label": "Name"}]
    return json.dumps({"form": name, "title": name, "checks": checks, "questions": questions})


UNKNOWN_SETTING = {"phone": {"config": {"regoin": "IN"}}}


@pytest.fixture
def server(postgres: EmbeddedPostgres, template_database: str, tmp_path: Path) -> Iterator[IngestProcess]:
    with cloned(postgres, template_database) as url:
        publish(url, form("absent", absent={}))
        publish(url, form("wrong", **UNKNOWN_SETTING))
        publish(url, form("sound", email={}))
        with ingest(url, tmp_path) as running:
            yield running


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.BytesIO]:
    """What the watch writes into the log, whoever configured logging before: a logger keeps its first stream."""
    stream = io.BytesIO()
    structlog.reset_defaults()
    configure_logging(Settings(), stream)
    monkeypatch.setattr(check_watch, "log", get_logger("check_watch"))
    yield stream
    structlog.reset_defaults()


def unusable(exposition: str) -> dict[tuple[str, str], float]:
    found = re.findall(r'^collect_ingest_check_unusable\{form="(.+)",plugin="(.+)"\} (\S+)$', exposition, re.MULTILINE)
    return {(form, kind): float(value) for form, kind, value in found}


def test_an_unusable_check_is_a_warning_and_a_number_and_the_process_is_ready(server: IngestProcess) -> None:
    expected = {("absent", "absent"), ("wrong", "phone")}
    wait_for(lambda: unusable(httpx.get(f"{server.base_url}/metrics").text).keys() == expected, "the checks were not told")
    told = {line["form"]: line for line in server.log_lines() if line["event"] == "check_unusable"}

    assert told.keys() == {"absent", "wrong"}
    assert {line["level"] for line in told.values()} == {"warning"}
    assert "pip install the package" in told["absent"]["msg"]
    assert "regoin" in told["wrong"]["msg"] and "collect plugins show phone" in told["wrong"]["msg"]
    assert httpx.get(f"{server.base_url}/readyz").json() == {"ready": True, "problems": {}}


def test_it_is_told_once_and_is_over_when_a_version_corrects_it(database_url: str, written: io.BytesIO) -> None:
    publish(database_url, form("wrong", **UNKNOWN_SETTING))
    metrics = IngestMetrics()

    async def looked() -> list[dict[tuple[str, str], float]]:
        threads = StoreThreads(database_url)
        watch = CheckWatch(threads, FormBook(threads, CheckProcesses()), metrics)
        told = []
        for _ in range(2):
            await watch.look()
            told.append(unusable(metrics.exposition().decode()))
        publish(database_url, form("wrong", phone={"config": {"region": "IN"}}))
        await watch.look()
        threads.close()
        return [*told, unusable(metrics.exposition().decode())]

    assert asyncio.run(looked()) == [{("wrong", "phone"): 1.0}] * 2 + [{("wrong", "phone"): 0.0}]
    told = written.getvalue().decode()
    assert (told.count("check_unusable"), told.count("check_usable")) == (1, 1)


def test_a_check_that_does_not_fit_the_form_is_told_once_the_version_is_in_use(database_url: str, written: io.BytesIO) -> None:
    publish(database_url, form("misfit", slang={"config": {"city": "town"}}))
    database = Database(database_url)
    with database.begin() as connection:
        key = find_key(connection, create_key(connection, "default", "test", frozenset({"ingest"})).text)
    database.dispose()
    metrics = IngestMetrics()

    async def looked() -> None:
        threads = StoreThreads(database_url)
        book = FormBook(threads, CheckProcesses())
        watch = CheckWatch(threads, book, metrics)
        await watch.look()
        assert unusable(metrics.exposition().decode()) == {}
        await book.version(key, await book.open(key, "misfit"), None)
        await watch.look()
        threads.close()

    asyncio.run(looked())
    assert unusable(metrics.exposition().decode()) == {("misfit", "slang"): 1.0}
    assert "no question 'town'" in written.getvalue().decode()


def test_a_kind_that_is_installed_later_is_used_without_a_restart(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    publish(database_url, form("waiting", newcomer={}))
    database = Database(database_url)
    with database.begin() as connection:
        key = find_key(connection, create_key(connection, "default", "test", frozenset({"ingest"})).text)
    database.dispose()

    async def looked() -> None:
        threads = StoreThreads(database_url)
        book = FormBook(threads, CheckProcesses(), trusted=["newcomer-checks"], cache_seconds=0.0)
        form = await book.open(key, "waiting")
        version = await book.version(key, form, None)
        assert "No plug-in of kind 'newcomer'" in version.runner.unusable["newcomer"]
        install_newcomer(tmp_path)
        async with asyncio.timeout(20):
            while version.runner.unusable:  # each response opens the form
                await book.open(key, "waiting")
        assert await book.version(key, await book.open(key, "waiting"), None) is version
        threads.close()

    asyncio.run(looked())


def install_newcomer(folder: Path) -> None:
    code = "from collect_pipelines.checks.answers import AnswersCheck\nclass Newcomer(AnswersCheck):\n    kind = 'newcomer'\n"
    (folder / "newcomer_checks.py").write_text(code)
    info = folder / "newcomer_checks-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: newcomer-checks\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[collect_pipelines.checks]\nnewcomer = newcomer_checks:Newcomer\n")
