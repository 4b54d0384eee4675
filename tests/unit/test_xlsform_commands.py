"""`collect forms import` and `collect forms export` on files: what goes to which stream, and what is said."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from defusedxml.ElementTree import fromstring

from collect_pipelines.cli.forms import command
from collect_pipelines.errors import FormInvalid, Invalid
from collect_pipelines.forms.reading import read_form
from tests.unit.xlsform_books import YES_NO, xlsx

SURVEY = [
    ["type", "name", "label", "constraint"],
    ["integer", "age", "Age", ". >= 0"],
    ["select_one yn", "ok", "OK?"],
    ["text", "odd", "Odd", "pulldata('a', 'b', 'c', .) = 1"],
]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_import_prints_the_form_and_tells_the_notes_apart(tmp_path: Path) -> None:
    path = xlsx(tmp_path, "visits.xlsx", survey=SURVEY, choices=YES_NO)

    result = run("import", path)

    assert result.exit_code == 0
    assert read_form(result.stdout).form == "visits"
    assert result.stderr.startswith("# sheet survey, row 4, column constraint: `pulldata('a', 'b', 'c', .) = 1` speaks of pulldata()")


def test_import_says_of_an_expression_that_is_none_what_is_wrong_with_it(tmp_path: Path) -> None:
    rows = [
        ["type", "name", "label", "constraint"],
        ["integer", "a", "A", ". >"],
        ["integer", "b", "B", ". > 1)"],
        ["integer", "c", "C", "(. > 1"],
    ]

    first, second, third, *_ = run("import", xlsx(tmp_path, survey=rows)).stderr.splitlines()

    assert "column constraint: `. >` ends too early; it is kept in metadata.xlsform, and nothing is checked" in first
    assert "`. > 1)` has `)` where it should end; it is kept" in second
    assert "`(. > 1` ends too early; it is kept" in third


def test_import_writes_a_file_and_says_what_comes_next(tmp_path: Path) -> None:
    path = xlsx(tmp_path, survey=SURVEY, choices=YES_NO)

    result = run("import", path, "-o", tmp_path / "out.yaml", "--form", "mine")

    assert result.stdout == ""
    assert f"Read the note above. Next: collect forms publish {tmp_path / 'out.yaml'}" in result.stderr
    assert read_form((tmp_path / "out.yaml").read_text("utf-8")).form == "mine"


def test_import_tells_programs_the_cell_of_every_note(tmp_path: Path) -> None:
    told: dict[str, Any] = json.loads(run("import", xlsx(tmp_path, survey=SURVEY, choices=YES_NO), "--json").stdout)

    (note,) = told["notes"]
    assert (note["sheet"], note["row"], note["column"], note["text"]) == ("survey", 4, "constraint", "pulldata('a', 'b', 'c', .) = 1")
    assert read_form(told["definition"]).form == told["form"] == "form"


def test_import_of_a_broken_workbook_is_an_error_with_places(tmp_path: Path) -> None:
    result = run("import", xlsx(tmp_path, survey=[["type", "name"], ["txt", "a"]]))

    assert isinstance(result.exception, FormInvalid)
    assert result.exception.message == f"One fault in form.xlsx: {result.exception.problems[0]}"
    assert result.exception.problems == ("form.xlsx: sheet survey, row 2, column type: `txt` is no type of XLSForm; did you mean text?",)


def test_export_gives_every_format(tmp_path: Path) -> None:
    form = tmp_path / "f.yaml"
    form.write_text("{form: f, title: F, questions: [{key: a, type: integer, label: A, min: 1, pii: direct}]}", "utf-8")

    xform, schema = run("export", form, "--format", "xform"), run("export", form, "--format", "jsonschema")
    workbook = run("export", form, "-o", tmp_path / "f.xlsx")

    assert fromstring(xform.stdout.encode()) is not None
    assert json.loads(schema.stdout)["properties"]["a"]["anyOf"][0]["minimum"] == 1
    assert workbook.stderr == f"# unknown to other programs and kept in the sheet collect: pii (1)\nWritten to {tmp_path / 'f.xlsx'}.\n"
    assert read_form(run("import", tmp_path / "f.xlsx").stdout) == read_form(form.read_text("utf-8"))


def test_export_of_a_workbook_needs_a_file_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    form = tmp_path / "f.yaml"
    form.write_text("{form: f, title: F, questions: [{key: a, type: text}]}", "utf-8")
    monkeypatch.setattr("collect_pipelines.cli.forms_exchange.is_terminal", lambda: True)

    result = run("export", form)

    assert isinstance(result.exception, Invalid)
    assert result.exception.fix == "Name the file it goes to: -o f.xlsx"


def test_export_tells_programs_what_was_written(tmp_path: Path) -> None:
    form = tmp_path / "f.yaml"
    form.write_text("{form: f, title: F, questions: [{key: a, type: text}]}", "utf-8")

    told = json.loads(run("export", form, "-o", tmp_path / "f.xlsx", "--json").stdout)

    assert (told["form"], told["format"], told["output"], told["notes"]) == ("f", "xlsform", str(tmp_path / "f.xlsx"), [])
    assert told["bytes"] == (tmp_path / "f.xlsx").stat().st_size
    assert json.loads(json.loads(run("export", form, "--format", "jsonschema", "--json").stdout)["content"])["title"] == "F"
