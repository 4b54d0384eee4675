"""The example of docs/project.md, as a reader would try it."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from collect_pipelines.cli.root import collect
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import find_integration

PAGE = Path(__file__).resolve().parents[2] / "docs" / "project.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def commands(block: str) -> list[list[str]]:
    return [shlex.split(line.partition("#")[0])[1:] for line in block.splitlines()]


def test_the_example_is_planned_applied_and_exported(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, form = blocks("yaml")
    first, export = blocks("sh")
    (tmp_path / "forms").mkdir()
    (tmp_path / "collect.yaml").write_text(project, "utf-8")
    (tmp_path / "forms" / "household.yaml").write_text(form, "utf-8")
    monkeypatch.chdir(tmp_path)
    environment = {"COLLECT_DATA_DIR": str(tmp_path / "data"), "COLLECT_DATABASE_URL": database.url}

    def run(words: list[str]) -> tuple[int, str]:
        told = CliRunner().invoke(collect, words, env=environment)
        return told.exit_code, told.stdout

    assert [run(words)[0] for words in commands(first)] == [0, 9, 0]
    assert run(["plan"])[0] == 0
    with database.begin() as connection:
        assert find_integration(connection, "household-wheat").mapping == {"filter": "crop == 'wheat'", "masks": {"phone": "last4"}}

    one, many = commands(export)
    code, text = run(one[: one.index(">")])
    (tmp_path / one[-1]).write_text(text, "utf-8")
    assert (code, run(["plan"])[0]) == (0, 0)
    assert run(many)[0] == 0
    assert run(["plan", str(tmp_path / many[-1] / "collect.yaml")])[0] == 0
