"""A published form goes out as a workbook in any of its versions, and an imported one can be published."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from collect_pipelines.cli.forms import command
from collect_pipelines.errors import NotFound
from collect_pipelines.forms.reading import read_form
from collect_pipelines.forms.xlsform.importing import import_form

FORM = "{form: visit, title: Visit, questions: [{key: rain, type: decimal, min: 0, pii: indirect}]}"


@pytest.fixture
def data(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLLECT_DATABASE_URL", database_url)
    monkeypatch.setenv("COLLECT_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "visit.yaml").write_text(FORM, "utf-8")
    return tmp_path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_a_published_form_is_exported_imported_and_is_still_the_same(data: Path) -> None:
    assert run("publish", data / "visit.yaml").exit_code == 0

    exported = run("export", "visit", "-o", data / "visit.xlsx")
    imported = run("import", data / "visit.xlsx", "-o", data / "again.yaml")
    published = run("publish", data / "again.yaml")

    assert (exported.exit_code, imported.exit_code, published.exit_code) == (0, 0, 0)
    assert "version 1 is already published" in published.stderr


def test_any_version_can_be_exported(data: Path) -> None:
    run("publish", data / "visit.yaml")
    (data / "visit.yaml").write_text(FORM.replace("min: 0", "min: 0, max: 9"), "utf-8")
    run("publish", data / "visit.yaml")

    run("export", "visit", "--version", "1", "-o", data / "one.xlsx")
    run("export", "visit", "-o", data / "two.xlsx")

    assert import_form(data / "one.xlsx").definition == read_form(FORM)
    assert import_form(data / "two.xlsx").definition.questions[0].max == 9
    assert isinstance(run("export", "visit", "--version", "7", "-o", data / "no.xlsx").exception, NotFound)
    assert isinstance(run("export", "nobody", "-o", data / "no.xlsx").exception, NotFound)
