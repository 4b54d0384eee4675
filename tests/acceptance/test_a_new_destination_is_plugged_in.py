"""A stranger's destination: written by one command, installed by pip, delivering responses, with nothing of the project changed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from collect_pipelines.testing.destinations.stand_in import Reply, StandIn
from tests.acceptance.fresh import Environment, ingest_of, traces
from tests.acceptance.stack import CLEAN_ENVIRONMENT, ROOT, eventually

KIND = "notice_wall"
TOKEN = "the-token-of-the-board"
FORM = """\
form: visit
title: {en: Visit, hi: भेंट}
languages: [en, hi]
questions:
  - {key: remarks, type: text, label: {en: Remarks, hi: टिप्पणी}}
  - {key: phone, type: phone, region: IN, label: {en: Phone}, pii: direct}
"""
GRAPH = f"import sys, json; sys.path.insert(0, {str(ROOT)!r}); from assets.definitions import defs; " + (
    "print(json.dumps([key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()]))"
)


@pytest.fixture
def board() -> Iterator[StandIn]:
    receiver = StandIn(lambda request: Reply(200, {}))
    yield receiver
    receiver.close()


def test_a_destination_is_written_installed_tested_shown_and_delivers(environment: Environment, board: StandIn) -> None:
    package = environment.folder / "package"
    environment.settings["BOARD_TOKEN"] = TOKEN

    environment.collect("plugins", "new", "destination", KIND, str(package))
    environment.run("-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", str(package))

    (listed,) = [one for one in environment.collect("plugins", "list")["plugins"] if one["kind"] == KIND]
    assert (listed["distribution"], listed["version"], listed["state"]) == ("collect-destination-notice-wall", "0.1.0", "available")
    assert listed["runs"] == "in the pipeline"
    assert {"url", "token"} <= {field["name"] for field in environment.collect("plugins", "show", KIND)["fields"]}
    page = environment.run("-m", "collect_pipelines.cli", "plugins", "docs", KIND)
    assert f"# {KIND}" in page and "at least once" in page and "| `url` | text | required | Address that takes" in page
    told = environment.collect("plugins", "test", str(package))
    assert (told["failed"], told["passed"]) == (0, len(told["results"])), told
    environment.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "every_row", str(package))
    assert KIND in json.loads(environment.run("-c", GRAPH).splitlines()[-1])

    form = environment.folder / "visit.yaml"
    form.write_text(FORM)
    environment.collect("forms", "publish", str(form))
    given = [f"url={board.address}/lines", "token=env:BOARD_TOKEN", "allow_private=true"]
    options = [part for one in given for part in ("--set", one)]
    environment.collect("integrations", "add", KIND, "--form", "visit", "--mask", "phone=last4", *options)
    key = environment.collect("keys", "create", "collector", "--scope", "ingest", "--scope", "read")["key"]
    with ingest_of(environment) as address, httpx.Client(base_url=address, headers={"Authorization": f"Bearer {key}"}) as client:
        answers = {"remarks": "पानी नहीं आया", "phone": "+919845012345"}
        reply = client.post("/v1/forms/visit/responses", json={"id": str(uuid4()), "answers": answers})
        assert reply.status_code == 201, reply.text
    environment.run("-m", "collect_pipelines.cli", "sync")

    eventually(lambda: [request for request in board.applied if request.body], 30)
    (request,) = [request for request in board.applied if request.body]
    (line,) = request.lines()
    assert (line["_response_id"], line["remarks"]) == (reply.json()["id"], "पानी नहीं आया")
    assert "9845012345" not in request.text and "2345" in request.text
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["idempotency-key"]
    (ledger,) = environment.collect("status")["integrations"]
    assert (ledger["kind"], ledger["delivered"], ledger["pending"]) == (KIND, 1, 0)
    assert traces(KIND) == []


def test_a_kind_that_exists_or_is_no_name_is_refused_with_a_way_out(folder: Path) -> None:
    for name, words in (("webhook", "is taken by collect-pipelines"), ("No Name", "can't be the kind of a destination")):
        done = subprocess.run(
            [sys.executable, "-m", "collect_pipelines.cli", "plugins", "new", "destination", name, str(folder / "package")],
            cwd=ROOT, env=CLEAN_ENVIRONMENT, capture_output=True, text=True,
        )  # fmt: skip

        assert (done.returncode, os.path.exists(folder / "package")) == (3, False)
        assert words in done.stderr
        assert "Next:" in done.stderr
