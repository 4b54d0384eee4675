"""A stranger's check: written by one command, installed by pip, answering collectors, with nothing of the project changed."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from collect_pipelines.local.ports import free_port
from tests.acceptance.stack import CLEAN_ENVIRONMENT, ROOT, answers, eventually

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


@dataclass(frozen=True)
class Environment:
    """A fresh Python environment that sees what this one has installed, and what is installed into it besides."""

    folder: Path
    settings: dict[str, str]

    @property
    def python(self) -> Path:
        return self.folder / "environment" / "bin" / "python"

    def run(self, *arguments: str) -> str:
        """What the program printed to standard output; its end must be good."""
        done = subprocess.run(
            [str(self.python), *arguments], cwd=self.folder, env=CLEAN_ENVIRONMENT | self.settings, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{arguments} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def collect(self, *arguments: str) -> Any:
        """The JSON that a command prints."""
        return json.loads(self.run("-m", "collect_pipelines.cli", *arguments, "--json"))


@pytest.fixture
def environment(folder: Path, database_url: str) -> Environment:
    place = folder / "environment"
    venv.EnvBuilder(symlinks=True).create(place)
    (packages,) = place.glob("lib/python*/site-packages")
    # An `import` line is run when the environment starts: unlike a bare path it follows editable installs, too.
    (packages / "beside.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    settings = {
        "COLLECT_DATABASE_URL": database_url,
        "COLLECT_DATA_DIR": str(folder / "data"),
        "COLLECT_INGEST_PORT": str(free_port()),
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    return Environment(folder, settings)


@contextmanager
def ingest_of(environment: Environment) -> Iterator[str]:
    """The ingest server of the environment; its address."""
    address = f"http://127.0.0.1:{environment.settings['COLLECT_INGEST_PORT']}"
    log = environment.folder / "ingest.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(environment.python), "-m", "collect_pipelines.cli", "serve", "ingest"],
            cwd=environment.folder, env=CLEAN_ENVIRONMENT | environment.settings, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        eventually(lambda: answers(f"{address}/readyz"), 60, log.read_text)
        yield address
    finally:
        process.terminate()
        assert process.wait(30) == 0


def traces() -> list[str]:
    """
    Files of the project that git sees as changed or new and that name the new check, or know of it inside.

    Not the whole `git status`: somebody may be at work in this checkout while the test runs.
    """
    status = subprocess.run(["git", "-C", str(ROOT), "status", "--porcelain", "-uall"], capture_output=True, text=True, check=True).stdout
    changed = {line[3:] for line in status.splitlines()} - {Path(__file__).relative_to(ROOT).as_posix()}
    paths = {path: ROOT / path for path in changed}
    return [path for path, file in paths.items() if KIND in path or (file.is_file() and KIND.encode() in file.read_bytes())]


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
    assert traces() == []


def test_a_kind_that_exists_or_is_no_name_is_refused_with_a_way_out(folder: Path) -> None:
    for name, words in (("phone", "is taken by collect-pipelines"), ("No Name", "can't be the kind of a check")):
        done = subprocess.run(
            [sys.executable, "-m", "collect_pipelines.cli", "plugins", "new", "check", name, str(folder / "package")],
            cwd=ROOT, env=CLEAN_ENVIRONMENT, capture_output=True, text=True,
        )  # fmt: skip

        assert (done.returncode, os.path.exists(folder / "package")) == (3, False)
        assert words in done.stderr
        assert "Next:" in done.stderr
