"""A form inferred from a survey export holds every cell: each row becomes answers that pass and give back the identical text."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collect_pipelines.errors import FormInvalid, Invalid
from collect_pipelines.forms.answers import check_answers
from collect_pipelines.forms.definition import FormDefinition, Question
from collect_pipelines.forms.exports.inference import Inference, infer_form
from collect_pipelines.forms.exports.rows import read_table, submission_of_row
from collect_pipelines.forms.reading import read_form, write_form
from tests.drawn import drawn
from tests.unit.export_cells import cells_of, header_of

EXPORTS = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(params=["flying-etiquette", "comma-survey"])
def export(request: pytest.FixtureRequest) -> Path:
    return EXPORTS / f"{request.param}.csv"


def cells(path: Path) -> list[list[str]]:
    """The export as the standard library reads it, without anything of ours."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def given_back(inference: Inference) -> list[list[str]]:
    """Every row through submission_of_row and check_answers, and back to text by what the definition says alone."""
    form = inference.definition
    found = []
    for _, record in inference.table.records():
        response_id, answers = submission_of_row(form, record)
        assert check_answers(form, answers) == []
        assert set(answers) <= set(form.by_key)
        cells = cells_of(form, response_id, json.loads(json.dumps(answers)))
        assert list(cells) == list(inference.table.columns)
        found.append(list(cells.values()))
    return found


def whole_file(inference: Inference) -> list[list[str]]:
    """The export as it was: header rows and rows, from the definition and the answers."""
    return [*header_of(inference.definition), *given_back(inference)]


def test_every_cell_of_the_export_is_given_back_as_it_was(export: Path) -> None:
    header, *rows = cells(export)
    inference = infer_form(export, "survey")

    assert inference.id_column == "RespondentID"
    assert [question.label["en"] for question in inference.definition.questions] == header[1:]
    assert given_back(inference) == rows
    assert whole_file(inference) == [header, *rows]
    assert inference.rows == len(rows)


def test_the_draft_survives_writing_and_reading(export: Path) -> None:
    form = infer_form(export, "survey").definition

    assert read_form(write_form(form)) == form


def test_choices_are_found_with_their_labels_verbatim(export: Path) -> None:
    inference = infer_form(export, "survey")

    assert {question.type for question in inference.definition.questions} == {"select_one"}
    assert len(inference.decisions) == len(inference.definition.questions) + 1
    if export.stem == "flying-etiquette":
        height = next(question for question in inference.definition.questions if question.label["en"] == "How tall are you?")
        assert {"code": "6_3", "label": {"en": "6'3\""}} in [choice.model_dump(exclude_defaults=True) for choice in height.choices]
        assert len(height.choices) == 20
        assert any(question.key.startswith("is_itrude_to") for question in inference.definition.questions)


def infer(tmp_path: Path, text: str | bytes, slug: str = "draft") -> Inference:
    path = tmp_path / "export.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return infer_form(path, slug)


def column(tmp_path: Path, *values: str) -> Question:
    quoted = "".join(f'"{value}"\n' for value in values)
    return infer(tmp_path, f'"Asked"\n{quoted}').definition.questions[0]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-20", "0", "999999999999999"], "integer"),
        (["1", "2", "1", "2", "1"], "integer"),
        (["01", "1", "01", "1"], "select_one"),
        (["0123456", "1234567"], "text"),
        (["1234567890123456", "2"], "text"),
        (["-0", "1"], "text"),
        (["+1", "1"], "text"),
        (["1,000", "2,000"], "text"),
        (["1.5", "2", "-0.25"], "decimal"),
        (["1.50", "2"], "text"),
        (["0.00001", "1"], "text"),
        (["1e5", "2"], "text"),
        (["0.1000000000000000055", "1"], "text"),
        (["true", "false"], "boolean"),
        (["Yes", "No", "Yes", "No"], "select_one"),
        (["2026-01-31", "2024-02-29"], "date"),
        (["2026-02-30", "2024-02-29"], "text"),
        (["09:30", "23:59:59"], "time"),
        (["2026-01-31T09:30:00Z", "2026-01-31T09:30:00+05:30"], "datetime"),
        (["a@example.org", "b@example.org"], "email"),
        (["https://example.org", "http://example.org/x"], "url"),
        (["a", "b", "c", "d"], "text"),
        (["a", "a", "b", "b"], "select_one"),
        (["a", "a", " ", " "], "text"),
        (["x" * 400, "x" * 400], "text"),
        (["NaN", "NaN"], "select_one"),
        (["१२", "१२"], "select_one"),
    ],
)
def test_a_type_is_only_taken_if_every_cell_has_it_and_keeps_its_text(tmp_path: Path, values: list[str], kind: str) -> None:
    assert column(tmp_path, *values).type == kind


def test_a_column_without_answers_is_kept_as_text(tmp_path: Path) -> None:
    inference = infer(tmp_path, "Name,Empty\nAsha,\nRavi,\n")

    assert [question.type for question in inference.definition.questions] == ["text", "text"]
    assert "no row has an answer" in inference.decisions[1]


def test_equal_and_empty_headers_keep_their_columns_apart(tmp_path: Path) -> None:
    inference = infer(tmp_path, "Name,Name,,Name (2)\na,b,c,d\n")

    assert [question.key for question in inference.definition.questions] == ["name", "name_2", "question_3", "name_2_2"]
    assert [question.label.get("en") for question in inference.definition.questions] == ["Name", "Name", None, "Name (2)"]
    assert given_back(inference) == [["a", "b", "c", "d"]]


def test_keys_and_codes_are_made_of_what_can_be_said_in_ascii(tmp_path: Path) -> None:
    inference = infer(tmp_path, "1. Größe?,घर,Respondent,🙂\n> 60,उत्तर,a,x\n< 60,दक्षिण,b,y\n> 60,उत्तर,a,x\n< 60,दक्षिण,b,y\n")
    questions = inference.definition.questions

    assert [question.key for question in questions] == [
        "q_1_groe",
        "question_2",
        "respondent_2",
        "question_4",
    ]
    assert [[choice.code for choice in question.choices] for question in questions[:2]] == [["60", "60_2"], ["choice_1", "choice_2"]]
    assert given_back(inference)[0] == ["> 60", "उत्तर", "a", "x"]


@pytest.mark.parametrize("header", ["RespondentID", "ID", "id", "Response Id", "submission_id", "instance-ID", "UUID", "_id"])
def test_a_first_column_named_id_with_different_values_identifies_responses(tmp_path: Path, header: str) -> None:
    assert infer(tmp_path, f"{header},a\n1,x\n2,y\n").id_column == header


@pytest.mark.parametrize("text", ["ID,a\n1,x\n1,y\n", "ID,a\n1,x\n,y\n", "Paid,a\n1,x\n2,y\n", "ID,a\na b,x\nc,y\n", "ID,a\n"])
def test_a_first_column_that_does_not_identify_is_a_question(tmp_path: Path, text: str) -> None:
    inference = infer(tmp_path, text)

    assert inference.id_column is None
    assert len(inference.definition.questions) == 2


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("Name,Größe\na,b\n".encode(), "Größe"),
        (b"\xef\xbb\xbf" + "Name,Größe\na,b\n".encode(), "Größe"),
        ("Name,Größe € ok\na,b\n".encode("cp1252"), "Größe € ok"),
        (b"Name,Gr\xf6\xdfe\x81\na,b\n", "Größe\x81"),
        ("Name,Größe\na,b\n".encode("utf-16"), "Größe"),
        ("Name;Größe\na;b,c\n".encode(), "Größe"),
        ("Name;Größe\na;b\n".encode(), "Größe"),
        (b"Name,a;b;c\nx,y\n", "a;b;c"),
        (b"Name,a;b;c\nx\n", "a;b;c"),
        ("Name\tGröße\na\tb\n".encode(), "Größe"),
    ],
)
def test_encodings_and_delimiters_of_other_programs_are_read(tmp_path: Path, text: bytes, header: str) -> None:
    table = infer(tmp_path, text).table

    assert table.columns == ("Name", header)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"a,b\n1,2,3\n", "3 cells, but the header has 2"),
        (b"a,b\n1,\x00\n", "NUL"),
        (b"a\n" + b"x" * 200_000, "field larger than field limit"),
        (b'a,b\n1,2\n3,"x\n4,5\n', "export.csv:3: the quotes of a cell that begins here are never closed"),
        (b'a;b\n1;"', "export.csv:2: the quotes"),
        ("a,b\n1,2\n".encode("utf-16") + b"x", "export.csv:3: is not text in UTF-16"),
        (b"\xff\xfea\x00\x00\xd8\n\x00", "export.csv:1: is not text in UTF-16"),
        ("a,b\n1,2\n".encode("utf-32"), "NUL"),
        (",".join(f"c{i}" for i in range(1001)).encode() + b"\n", "can't become a form"),
    ],
)
def test_a_file_that_is_no_table_is_refused_by_name_and_line(tmp_path: Path, text: bytes, told: str) -> None:
    with pytest.raises(Invalid, match=told) as caught:
        infer(tmp_path, text)

    assert "export.csv" in caught.value.message
    assert caught.value.fix


def test_a_name_that_is_no_slug_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="a form's name has"):
        infer(tmp_path, "a\n1\n", slug="My Form")


def test_short_rows_blank_rows_and_line_breaks_in_cells_lose_nothing(tmp_path: Path) -> None:
    inference = infer(tmp_path, 'a,b,c\n1,"two\nlines, ""quoted"""\n\n,,\n4,5,6\n')

    assert given_back(inference) == [["1", 'two\nlines, "quoted"', ""], ["4", "5", "6"]]


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=6) | st.sampled_from(
    [
        "",
        "1",
        "1.0",
        "01",
        "-0",
        "true",
        "2026-01-31",
        "09:30",
        "a",
        "A",
        " a ",
        "Yes",
        "a;b",
        "a@b.cd",
        "6'3\"",
        "> 60",
        "< 60",
        "a,b",
        "é",
        "=1+1",
        "1,5",
        "1,000",
        "1.234,5",
        "-1,5",
        "12 %",
        "₹ 5",
        "₹ 1,20,000",
        "31/12/25",
        "01/02/2025",
        "1/2/2025 9:30",
        "9:30 PM",
        "TRUE",
        "FALSE",
        "b, a",
        "a;",
        "a;b;",
        "+91 98450 12345",
        "Other (please specify)",
        "Response",
    ]
)


@drawn(50)
@given(st.lists(CELL, min_size=1, max_size=4), st.data())
def test_any_table_is_given_back_cell_by_cell(tmp_path_factory: pytest.TempPathFactory, header: list[str], data: st.DataObject) -> None:
    if not any(header) or (len(header) == 1 and set(header[0]) & set(";|\t")):  # one column named `a;b` can't be told from two
        header = ["a"]
    rows = data.draw(st.lists(st.lists(CELL, min_size=len(header), max_size=len(header)).filter(any), max_size=8))
    rows = rows * data.draw(st.sampled_from([1, 1, 3]))
    path = tmp_path_factory.mktemp("table") / "export.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])

    named = sum(map(bool, header)) > 1  # then a row like the header is the header come again
    assert whole_file(infer_form(path, "draft")) == [header, *(row for row in rows if not named or row != header)]


def asked(*questions: dict[str, Any]) -> FormDefinition:
    return FormDefinition.model_validate(
        {"form": "f", "title": "F", "languages": ["en", "hi"], "questions": questions, "metadata": {"id_column": "ID"}}
    )


AB = [{"code": "a", "label": {"en": "Apple", "hi": "सेब"}}, {"code": "b", "label": "Banana, ripe"}]


@pytest.mark.parametrize(
    ("question", "cell", "answer"),
    [
        ({"type": "text"}, " as it is ", " as it is "),
        ({"type": "integer"}, " 12 ", 12),
        ({"type": "decimal"}, "12", 12),
        ({"type": "decimal"}, "1.50", 1.5),
        ({"type": "rating"}, "4", 4),
        ({"type": "boolean"}, "YES", True),
        ({"type": "boolean"}, "0", False),
        ({"type": "date"}, "2026-01-31", "2026-01-31"),
        ({"type": "time"}, "09:30", "09:30"),
        ({"type": "datetime"}, "2026-01-31T09:30:00Z", "2026-01-31T09:30:00Z"),
        ({"type": "select_one", "choices": AB}, "Apple", "a"),
        ({"type": "select_one", "choices": AB}, "सेब", "a"),
        ({"type": "select_one", "choices": AB}, "b", "b"),
        ({"type": "select_one", "choices": AB}, " Apple ", "a"),
        ({"type": "select_one", "choices": AB, "other": True}, "Cherry", {"other": "Cherry"}),
        ({"type": "select_multiple", "choices": AB}, "Banana, ripe", ["b"]),
        ({"type": "select_multiple", "choices": AB}, "Apple; Banana, ripe", ["a", "b"]),
        ({"type": "select_multiple", "choices": AB}, "b,a", ["b", "a"]),
        ({"type": "select_multiple", "choices": AB, "other": True}, "Apple; Cherry", ["a", {"other": "Cherry"}]),
        ({"type": "geopoint"}, "12.97, 77.6", {"latitude": 12.97, "longitude": 77.6}),
        ({"type": "geopoint"}, '{"latitude": 1, "longitude": 2}', {"latitude": 1, "longitude": 2}),
        ({"type": "file"}, "https://example.org/a%20b.jpg?x=1", {"name": "a b.jpg", "url": "https://example.org/a%20b.jpg?x=1"}),
        ({"type": "repeat", "questions": [{"key": "r", "type": "text"}]}, '[{"r": "x"}]', [{"r": "x"}]),
        ({"type": "hidden"}, "5", "5"),
    ],
)
def test_a_cell_becomes_an_answer_of_its_question(question: dict[str, Any], cell: str, answer: Any) -> None:
    form = asked({"key": "q", "label": "Asked", **question})

    for header in ("Asked", "q"):
        assert submission_of_row(form, {"ID": " r1 ", header: cell}) == ("r1", {"q": answer})
    assert submission_of_row(form, {"ID": "", "q": ""}) == (None, {})
    assert check_answers(form, {"q": answer}) == []


@pytest.mark.parametrize(
    ("question", "cell"),
    [
        ({"type": "integer"}, "SECRET"),
        ({"type": "integer"}, "1.0"),
        ({"type": "decimal"}, "1,5 SECRET"),
        ({"type": "boolean"}, "SECRET"),
        ({"type": "date"}, "31.01.2026 SECRET"),
        ({"type": "select_one", "choices": AB}, "SECRET"),
        ({"type": "select_multiple", "choices": AB}, "Apple; SECRET"),
        ({"type": "geopoint"}, "SECRET"),
        ({"type": "geopoint"}, "1.2.3, 4"),
        ({"type": "repeat", "questions": [{"key": "r", "type": "text"}]}, "SECRET"),
        ({"type": "repeat", "questions": [{"key": "r", "type": "text"}]}, '{"SECRET": 1}'),
    ],
)
def test_a_cell_that_does_not_fit_is_told_by_column_without_its_content(question: dict[str, Any], cell: str) -> None:
    with pytest.raises(Invalid, match="Column 'Asked'") as caught:
        submission_of_row(asked({"key": "q", "label": "Asked", **question}), {"Asked": cell})

    assert "SECRET" not in caught.value.message
    assert caught.value.fix


def test_a_column_without_a_question_is_refused_not_dropped() -> None:
    with pytest.raises(Invalid, match="no question for the column 'Extra'"):
        submission_of_row(asked({"key": "q", "type": "text"}), {"q": "x", "Extra": ""})


def test_a_label_of_two_questions_names_neither() -> None:
    form = asked({"key": "a", "type": "text", "label": "Name"}, {"key": "b", "type": "text", "label": "Name"})

    assert submission_of_row(form, {"a": "x", "b": "y"}) == (None, {"a": "x", "b": "y"})
    with pytest.raises(Invalid, match="'Name'"):
        submission_of_row(form, {"Name": "x"})


def test_a_row_with_more_cells_than_the_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="more or fewer cells"):
        submission_of_row(asked({"key": "q", "type": "text"}), {"q": "x", None: ["y"]})  # type: ignore[dict-item]


def test_a_draft_with_a_fault_made_by_hand_is_found_by_reading(export: Path) -> None:
    text = write_form(infer_form(export, "survey").definition).replace("type: select_one", "type: selectone", 1)

    with pytest.raises(FormInvalid):
        read_form(text)


def test_reading_a_table_twice_gives_the_same_records(export: Path) -> None:
    table = read_table(export)

    assert list(table.records()) == list(table.records())
