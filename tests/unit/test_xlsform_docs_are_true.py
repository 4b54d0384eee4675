"""docs/xlsform.md names every type, column and setting there is, and says of each what import does."""

import re
from pathlib import Path

import pytest
from pyxform.question_type_dictionary import QUESTION_TYPE_DICT

from collect_pipelines.errors import FormInvalid
from collect_pipelines.forms.xlsform.sheets.headers import CHOICE_COLUMNS, SURVEY_COLUMNS
from collect_pipelines.forms.xlsform.sheets.kinds import KINDS, kind_of
from tests.unit.xlsform_books import YES_NO, read

DOCS = (Path(__file__).resolve().parents[2] / "docs" / "xlsform.md").read_text("utf-8")
PLACES = {"LIST": "yn", "FILE": "places.csv", "${repeat_question}": "${kid}"}


def table(heading: str) -> list[list[str]]:
    part = DOCS.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


TYPES = {name: row[1].strip("`") for row in table("Types") for name in re.findall(r"`([^`]+)`", row[0])}


def written(name: str) -> str:
    for word, instead in PLACES.items():
        name = name.replace(word, instead)
    return name


@pytest.mark.parametrize(("name", "ours"), TYPES.items(), ids=list(TYPES))
def test_every_type_in_the_table_becomes_what_it_says(name: str, ours: str) -> None:
    kind = kind_of(written(name)) if name != "begin_loop" else kind_of("begin_loop over yn")

    assert kind is not None
    assert kind.ours.removeprefix("end ") == {"refused": "refused", "kept": "external"}.get(ours, ours)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_type_is_in_the_table(name: str) -> None:
    assert name in TYPES


@pytest.mark.parametrize(
    "name", sorted(name for name in QUESTION_TYPE_DICT if not name.startswith(("select", "q select", "add select", "rank")))
)
def test_every_type_that_pyxform_knows_is_known_here(name: str) -> None:
    assert kind_of(name) is not None


@pytest.mark.parametrize("name", [*SURVEY_COLUMNS, *CHOICE_COLUMNS])
def test_every_column_is_documented(name: str) -> None:
    assert f"`{name}`" in DOCS


def test_names_become_the_keys_the_document_says(tmp_path: Path) -> None:
    for name in re.findall(r"`([^`]+)`", DOCS.split("Names become keys: ")[1].split(" become ")[0]):
        form = read(tmp_path, [["type", "name", "label"], ["text", name, "A"]]).definition
        assert [question.key for question in form.questions] == ["member_age"]
    with pytest.raises(FormInvalid, match="Member Age"):
        read(tmp_path, [["type", "name", "label"], ["text", "Member Age", "A"]])


ASKED = [name for name, ours in TYPES.items() if ours not in ("refused", "kept", "group", "repeat")]


@pytest.mark.parametrize("name", ASKED)
def test_every_type_is_imported_as_the_table_says(tmp_path: Path, name: str) -> None:
    external = {"external_choices": YES_NO} if "external" in name else {}
    extra = {"calculate": "1 + 1", "background-geopoint": None}.get(name)
    survey = [
        ["type", "name", "label", "calculation", "trigger"],
        ["text", "first", "First"],
        [written(name), "audit" if name == "audit" else "it", "It", extra, "${first}" if name == "background-geopoint" else None],
    ]

    imported = read(tmp_path, survey, YES_NO, **external)

    assert imported.definition.questions[1].type == TYPES[name]
    assert any("note tells" in row[2] for row in table("Types") if f"`{name}`" in row[0]) == any(note.cell for note in imported.notes)


@pytest.mark.parametrize("name", [name for name, ours in TYPES.items() if ours == "refused"])
def test_every_type_that_is_refused_says_what_to_do(tmp_path: Path, name: str) -> None:
    survey = [["type", "name", "label"], [written(name) if name != "begin_loop" else "begin_loop over yn", "it", "It"]]

    with pytest.raises(FormInvalid) as caught:
        read(tmp_path, survey, YES_NO)

    assert caught.value.problems[0].startswith("form.xlsx: sheet survey, row 2, column type: ")
    assert "write " in caught.value.problems[0]
