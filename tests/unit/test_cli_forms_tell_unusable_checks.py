"""`collect forms check` tries the checks a form names: a typing error is seen by the author, not by the first collector."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from collect_pipelines.cli.root import collect

FORM = """
form: visit
title: Visit
checks:
  {checks}
questions:
  - {{key: city, type: text, label: City}}
"""


def check(folder: Path, checks: str) -> dict[str, object]:
    path = folder / "visit.yaml"
    path.write_text(FORM.format(checks=checks), "utf-8")
    result = CliRunner().invoke(collect, ["forms", "check", str(path), "--json"])
    assert result.exit_code == 0, result.output
    (file,) = json.loads(result.stdout)["files"]
    assert isinstance(file, dict)
    return file


@pytest.mark.parametrize(
    ("checks", "words"),
    [("slnag: {}", ["slnag", "Did you mean slang?", "Installed: "]), ("phone: {config: {regoin: IN}}", ["phone", "regoin"])],
    ids=["a kind that is not installed", "a setting that does not exist"],
)
def test_a_check_that_can_t_be_used_is_told_and_the_form_stays_valid(tmp_path: Path, checks: str, words: list[str]) -> None:
    file = check(tmp_path, checks)
    (problem,) = file["unusable_checks"]  # type: ignore[misc]

    assert file["valid"] is True
    assert [word for word in words if word not in problem] == []


def test_checks_that_can_be_used_are_not_mentioned(tmp_path: Path) -> None:
    assert check(tmp_path, "phone: {config: {region: IN}}")["unusable_checks"] == []


def test_the_fault_of_a_setting_is_told_in_the_words_of_the_check(tmp_path: Path) -> None:
    (problem,) = check(tmp_path, "duplicate: {config: {window: soon}}")["unusable_checks"]  # type: ignore[misc]

    assert "window: write a number of seconds, or 90s" in problem
    assert "Value error" not in problem
