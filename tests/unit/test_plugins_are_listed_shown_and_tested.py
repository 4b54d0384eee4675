"""`collect plugins` tells what is installed and why something can't be used, and runs the suite against a package in a folder."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from collect_pipelines import plugins
from collect_pipelines.cli import collect
from collect_pipelines.cli.plugin_facts import facts_of
from collect_pipelines.cli.plugin_skeletons import write_check, write_destination
from collect_pipelines.errors import PluginError
from collect_pipelines.forms.reading import read_form
from collect_pipelines.settings import Settings
from tests.strangers import install


@pytest.fixture
def strange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(install(tmp_path))
    points = tmp_path / "strange_checks-1.0.dist-info" / "entry_points.txt"
    points.write_text(points.read_text().replace("hangs_on_import = strange_checks_hanging:Check\n", ""))
    return tmp_path


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Path]:
    """A package as `new check` writes it, not installed."""
    path, modules = list(sys.path), set(sys.modules)
    written = write_check("tidy", tmp_path / "package")
    yield written.folder
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith("collect_check_"):
            del sys.modules[name]


def test_what_is_installed_is_found_at_once_also_when_its_folder_was_there_before_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError):
        plugins.find(plugins.CHECKS, "stranger")
    folder = tmp_path / "strange_checks-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: strange-checks\nVersion: 1.0\n")
    with pytest.raises(PluginError):
        plugins.find(plugins.CHECKS, "stranger")

    (folder / "entry_points.txt").write_text("[collect_pipelines.checks]\nstranger = strange_checks:Stranger\n")
    found = plugins.find(plugins.CHECKS, "stranger")
    (folder / "entry_points.txt").unlink()
    folder.rename(tmp_path / "removed")

    assert (found.distribution, found.version) == ("strange-checks", "1.0")
    with pytest.raises(PluginError):
        plugins.find(plugins.CHECKS, "stranger")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(collect, ["plugins", *arguments])


def told(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json").stdout)


def test_the_list_says_where_each_kind_runs_and_why_one_can_not(strange: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLECT_TRUSTED_PLUGINS", "collect-pipelines, Strange.Checks")

    listed = {one["kind"]: one for one in told("list")["plugins"]}

    assert {kind: listed[kind]["runs"] for kind in ("phone", "quick", "stranger", "warehouse")} == {
        "phone": "in ingest",
        "quick": "in ingest",
        "stranger": "in processes of its own",
        "warehouse": "in the pipeline",
    }
    assert (listed["stranger"]["distribution"], listed["stranger"]["version"]) == ("strange-checks", "1.0")
    problems = {kind: one["problem"] for kind, one in listed.items() if one["state"] == "unavailable"}
    assert set(problems) == {"broken", "no_check", "raises_on_import", "exits_on_import"}
    assert "strange_checks_missing is missing" in problems["broken"]
    assert "exit code 4" in problems["exits_on_import"]
    assert "it raised RuntimeError" in problems["raises_on_import"]
    assert "strange_checks" not in sys.modules


def test_one_that_ends_the_process_it_shares_with_others_says_so_and_the_others_are_known(
    strange: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "OWN_DISTRIBUTION", "strange-checks")
    kinds = ("quick", "exits_on_import", "stranger")

    found = facts_of([("check", plugins.find(plugins.CHECKS, kind)) for kind in kinds])

    assert [one.kind for one in found] == list(kinds)
    assert [one.problem for one in found] == [None, "Importing it ended the process (exit code 4).", None]


def test_while_it_looks_it_says_so_and_tells_what_each_kind_does() -> None:
    listed = run("list")

    assert "Importing " in listed.stderr
    assert "what it does" in listed.stdout.partition("\n")[0].lower()
    assert run("list", "--json").stderr == ""


def test_a_kind_is_shown_with_every_setting_and_an_example_that_reads(tmp_path: Path) -> None:
    shown = run("show", "phone")
    document = told("show", "phone")

    assert shown.exit_code == 0
    assert {"region", "accept", "types"} <= {field["name"] for field in document["fields"]}
    assert all(field["description"] in shown.stdout for field in document["fields"])
    example = document["example"].replace("# ", "").replace("region_from: null", "")
    form = f"form: f\ntitle: F\nquestions:\n  - {{key: a, type: phone}}\n{example}"
    assert list(read_form(form).checks) == ["phone"]
    assert "collect integrations add google_sheets --form FORM" in run("show", "google_sheets").stdout
    assert run("show", "no_such_kind").exit_code != 0


@pytest.mark.parametrize("kind", ["duplicate", "email", "phone", "slang"])
def test_the_example_of_a_check_can_be_pasted_into_a_form(kind: str) -> None:
    example = told("show", kind, "--door", "check")["example"]

    assert list(read_form(f"form: f\ntitle: F\nquestions:\n  - {{key: a, type: phone}}\n{example}\n").checks) == [kind]


def test_a_package_in_a_folder_is_tested_with_its_own_suites(package: Path) -> None:
    document = told("test", str(package))

    assert [result["sentence"] for result in document["results"] if result["failure"]] == ["its entry point leads to it"]
    assert document["passed"] == len(document["results"]) - 1


def test_what_a_package_fails_is_told_in_words(package: Path) -> None:
    code = package / "src" / "collect_check_tidy" / "__init__.py"
    code.write_text(
        code.read_text().replace("answer = response.answers.get(self.config.question)", 'answer = response.answers["a_text"].strip()')
    )

    said = run("test", str(package))

    assert said.exit_code != 0
    assert "FAILED TidyCheck: it never raises" in said.output
    assert "example 3: it raised KeyError: 'a_text'" in said.output


def test_a_folder_without_a_plug_in_is_refused_with_a_way_out(tmp_path: Path) -> None:
    said = run("test", str(tmp_path))

    assert said.exit_code != 0
    assert "holds no plug-in" in said.output and "collect plugins new check|destination NAME" in said.output


@pytest.fixture
def destination(tmp_path: Path) -> Iterator[Path]:
    """A package as `new destination` writes it, not installed."""
    path, modules = list(sys.path), set(sys.modules)
    yield write_destination("lines", tmp_path / "package").folder
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith("collect_destination_"):
            del sys.modules[name]


def test_a_new_destination_meets_every_requirement_but_being_installed(destination: Path) -> None:
    document = told("test", str(destination))

    assert [result["sentence"] for result in document["results"] if result["failure"]] == ["its entry point leads to it"]
    left_out = {result["sentence"]: result["left_out"] for result in document["results"] if result["left_out"]}
    assert left_out["if keyed rows that come again in other batches have their effect once"] == "it does not claim to be keyed"
    code = destination / "src" / "collect_destination_lines" / "__init__.py"
    assert len([line for line in code.read_text().splitlines() if line.strip() and not line.strip().startswith(("#", '"""'))]) < 60


def test_an_installed_destination_is_tested_with_a_configuration_of_placeholders() -> None:
    config = '{"url": "{address}/hook", "allow_private": true, "timeout_seconds": 1}'
    without = run("test", "webhook")
    document = told("test", "webhook", "--config", config, "--only", "under way")

    assert without.exit_code == 3
    assert "can't be tried with this configuration: url" in without.output and "{address}" in without.output
    assert [(result["sentence"], result["failure"]) for result in document["results"]] == [("killed while a request is under way", None)]
    assert "No requirement has the words" in run("test", "webhook", "--config", config, "--only", "nothing like it").output


def test_a_check_and_a_destination_of_one_name_are_told_apart() -> None:
    both = run("show", "email")

    assert both.exit_code == 0
    assert "collect integrations add email" in both.output and "checks:" in both.output
    assert "--door check" in run("show", "email", "--json").output
    assert told("show", "email", "--door", "check")["door"] == "check"


def test_a_configuration_that_the_check_does_not_take_is_told_once_with_a_way_out() -> None:
    said = run("test", "slang")

    assert said.exit_code == 3
    assert "name the `city` question" in said.output and "--config" in said.output and "`collect plugins show slang`" in said.output
    assert "FAILED" not in said.output and "input_value" not in said.output


def test_nothing_is_overwritten(package: Path) -> None:
    before = (package / "pyproject.toml").read_text()

    said = run("new", "check", "tidy", str(package))

    assert "exists already" in said.output
    assert (package / "pyproject.toml").read_text() == before


def test_the_trusted_distributions_survive_being_handed_to_another_process() -> None:
    settings = Settings(trusted_plugins=("collect-pipelines", "strange-checks"))

    assert settings.as_environment()["COLLECT_TRUSTED_PLUGINS"] == "collect-pipelines,strange-checks"
    assert Settings.from_environment(settings.as_environment()) == settings
