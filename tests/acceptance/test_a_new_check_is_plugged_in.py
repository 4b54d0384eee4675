"""A stranger's check: written by one command, installed by pip, answering collectors, with nothing of the project changed."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from tests.acceptance.fresh import Environment, ingest_of, traces
from tests.acceptance.stack import CLEAN_ENVIRONMENT, ROOT, eventually

KIND = "tidy_remarks"
FORM = f"""\
form: visit
title: {{en: Visit, hi: भेंट}}
languages: [en, hi]
deadline_ms: 5000
checks:
  {KIND}:
    timeout_ms: 2000
    config: {{question: remarks, words: 4}}
questions:
  - {{key: remarks, type: text, label: {{en: Remarks, hi: टिप्पणी}}}}
"""


def test_a_check_is_written_installed_tested_and_answers_over_http(environment: Environment) -> None:
    package = environment.folder / "package"

    environment.collect("plugins", "new", "check", KIND, str(package))
    environment.run("-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", str(package))

    (listed,) = [one for one in environment.collect("plugins", "list")["plugins"] if one["kind"] == KIND]
    assert (listed["distribution"], listed["version"], listed["state"]) == ("collect-check-tidy-remarks", "0.1.0", "available")
    assert listed["runs"] == "in processes of its own"
    assert {field["name"] for field in environment.collect("plugins", "show", KIND)["fields"]} == {"question", "words"}
    told = environment.collect("plugins", "test", str(package))
    assert (told["failed"], told["passed"]) == (0, len(told["results"]))
    environment.run("-m", "pytest", "-q", "-p", "no:cacheprovider", str(package))

    form = environment.folder / "visit.yaml"
    form.write_text(FORM)
    environment.collect("forms", "publish", str(form))
    key = environment.collect("keys", "create", "collector", "--scope", "ingest", "--scope", "read")["key"]
    with ingest_of(environment) as address, httpx.Client(base_url=address, headers={"Authorization": f"Bearer {key}"}) as client:

        def sent(remarks: str) -> dict[str, Any]:
            response = {"id": str(uuid4()), "answers": {"remarks": remarks}}
            reply = client.post("/v1/forms/visit/responses", json=response, headers={"Accept-Language": "hi"})
            assert reply.status_code == 201, reply.text
            (said,) = [check for check in reply.json()["checks"] if check["check"] == KIND]
            return dict(said)

        eventually(lambda: sent("all is very well here")["outcome"] == "passed", 60)
        flagged = sent("so so")
        metrics = client.get("/metrics").text

    assert flagged["outcome"] == "flagged"
    (finding,) = flagged["findings"]
    assert (finding["code"], finding["question"], finding["label"]) == (f"{KIND}.short", "remarks", "टिप्पणी")
    assert "टिप्पणी" in finding["message"]
    assert f'collect_check_outcomes_total{{outcome="flagged",plugin="{KIND}"}} 1.0' in metrics
    assert traces(KIND) == []


def test_a_kind_that_exists_or_is_no_name_is_refused_with_a_way_out(folder: Path) -> None:
    for name, words in (("phone", "is taken by collect-pipelines"), ("No Name", "can't be the kind of a check")):
        done = subprocess.run(
            [sys.executable, "-m", "collect_pipelines.cli", "plugins", "new", "check", name, str(folder / "package")],
            cwd=ROOT, env=CLEAN_ENVIRONMENT, capture_output=True, text=True,
        )  # fmt: skip

        assert (done.returncode, os.path.exists(folder / "package")) == (3, False)
        assert words in done.stderr
        assert "Next:" in done.stderr
