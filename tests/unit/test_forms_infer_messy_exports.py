"""Exports as tools and people really write them: what was decided is said, and the whole file can be written again cell by cell."""

import csv
import io
import json
import random
import tracemalloc
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from click.testing import CliRunner
from hypothesis import assume, given
from hypothesis import strategies as st

from collect_pipelines.cli import collect
from collect_pipelines.cli.rows import read_rows
from collect_pipelines.errors import Invalid
from collect_pipelines.forms.answers import check_answers
from collect_pipelines.forms.definition import FormDefinition, Question
from collect_pipelines.forms.exports.inference import Inference, infer_form
from collect_pipelines.forms.exports.moment_format import moment_formats
from collect_pipelines.forms.exports.rows import submission_of_row, table_for
from collect_pipelines.forms.reading import read_form, write_form
from tests.drawn import drawn
from tests.unit.export_cells import cells_of, header_of

SURVEY_TEXT = """
RespondentID|Start|Which of these do you own?||||How satisfied are you with|||Your district||Sex||Rank them|
||Car|Bike|None of these|Other (please specify)|Price|Quality|Other comments|Response|Other (please specify)|Response||Film A|Film B
1|12/31/2024 09:15|Car||||Good|Bad||North||Female||1|2
2|01/05/2025 10:20||Bike||boat|Good|Good|it is ok|Other|Konkan|Male||2|1
3|01/13/2025 11:00|||None of these||Bad|Bad||South||Male||1|2
||||||||||||||
4|02/14/2025 23:59|Car|Bike|||Good|||North||Female|||
5|02/15/2025 00:01|||| a cart |Bad|Good||South||Female||2|1
6|02/15/2025 00:02||||||||Other|Vidarbha|||1|2
"""
SURVEY = [line.split("|") for line in SURVEY_TEXT.strip().splitlines()]


def written(tmp_path: Path, rows: list[list[str]], encoding: str = "utf-8", **dialect: Any) -> Path:
    text = io.StringIO()
    csv.writer(text, **dialect).writerows(rows)
    path = tmp_path / "export.csv"
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def inferred(path: Path, **options: Any) -> Inference:
    return infer_form(path, "draft", this_year=2026, **options)


def again(inference: Inference, path: Path) -> list[list[str]]:
    """The file as the published form reads and writes it: the definition goes through YAML, the answers through JSON and the checks."""
    form = read_form(write_form(inference.definition))
    assert form == inference.definition
    rows = []
    for _, record in table_for(form, path).records():
        response_id, answers = submission_of_row(form, record)
        assert check_answers(form, answers) == []
        rows.append(list(cells_of(form, response_id, json.loads(json.dumps(answers))).values()))
    return [*header_of(form), *rows]


def asked(inference: Inference) -> dict[str, Question]:
    return {question.key: question for question in inference.definition.questions}


def column(tmp_path: Path, *values: str, header: str = "Asked", **options: Any) -> Question:
    """The question of a column; proves that every cell comes back."""
    path = written(tmp_path, [[header, "n"], *([value, "x"] for value in values)])
    inference = inferred(path, **options)
    assert again(inference, path) == [[header, "n"], *([value, "x"] for value in values)]
    return inference.definition.questions[0]


def test_two_header_rows_become_questions_with_options_rows_and_own_words(tmp_path: Path) -> None:
    path = written(tmp_path, SURVEY)

    inference = inferred(path)

    assert again(inference, path) == [row for row in SURVEY if any(row)]
    questions = asked(inference)
    assert [(question.key, question.type, question.other) for question in questions.values()] == [
        ("start", "datetime", False),
        ("which_of_these_do_you_own", "select_multiple", True),
        ("how_satisfied_are_you_with", "group", False),
        ("your_district", "select_one", True),
        ("sex", "select_one", False),
        ("rank_them", "group", False),
    ]
    assert [choice.label["en"] for choice in questions["which_of_these_do_you_own"].choices] == ["Car", "Bike", "None of these"]
    matrix = questions["how_satisfied_are_you_with"].questions
    assert [(question.key, question.type) for question in matrix] == [
        ("price", "select_one"),
        ("quality", "select_one"),
        ("other_comments", "text"),
    ]
    assert matrix[0].choices == matrix[1].choices
    assert [question.type for question in questions["rank_them"].questions] == ["integer", "integer"]
    assert [choice.code for choice in questions["your_district"].choices] == ["north", "south"]
    told = "\n".join(inference.decisions)
    for sentence in (
        "Two header rows, because the second row says what kind of answer stands below",
        "1 blank row was left out (line 6)",
        "1 column was left out for want of header and answers: (column 13)",
        "3 columns hold their option or nothing",
        "'Which of these do you own? | Other (please specify)' is for own words",
        "UTC is assumed",
    ):
        assert sentence in told


def test_answers_of_several_columns_are_one_answer(tmp_path: Path) -> None:
    path = written(tmp_path, SURVEY)
    form = inferred(path).definition

    answers = {
        response: answers for _, record in table_for(form, path).records() for response, answers in [submission_of_row(form, record)]
    }

    assert answers["2"]["which_of_these_do_you_own"] == ["bike", {"other": "boat"}]
    assert answers["4"]["which_of_these_do_you_own"] == ["car", "bike"]
    assert answers["5"]["which_of_these_do_you_own"] == [{"other": " a cart "}]
    assert "which_of_these_do_you_own" not in answers["6"]
    assert answers["2"]["your_district"] == {"other": "Konkan"}
    assert (answers["2"]["price"], answers["2"]["other_comments"]) == ("good", "it is ok")
    assert answers["1"]["start"] == "2024-12-31T09:15:00Z"


def test_a_later_export_with_fewer_rows_is_read_as_the_first_one_was(tmp_path: Path) -> None:
    form = inferred(written(tmp_path, SURVEY)).definition
    path = written(tmp_path, SURVEY[:3])

    assert [submission_of_row(form, record)[0] for _, record in table_for(form, path).records()] == ["1"]


@pytest.mark.parametrize("rows", [SURVEY, [SURVEY[0], *SURVEY[2:]]], ids=["two header rows", "one header row"])
def test_a_header_that_comes_again_is_left_out_and_said(tmp_path: Path, rows: list[list[str]]) -> None:
    header = rows[: 2 if rows is SURVEY else 1]
    path = written(tmp_path, [*rows, *header, ["7", "02/16/2025 00:02", *rows[-1][2:]]])

    inference = inferred(path)

    assert inference.rows == 7
    assert any("repeated header" in sentence for sentence in inference.decisions)
    assert again(inference, path) == [*(row for row in rows if any(row)), ["7", "02/16/2025 00:02", *rows[-1][2:]]]


def test_options_with_one_and_nought_and_an_empty_row_stay_apart(tmp_path: Path) -> None:
    rows = [
        ["ID", "Own", "", ""],
        ["", "Car", "Bike", "Bus"],
        ["1", "1", "0", "1"],
        ["2", "0", "0", "0"],
        ["3", "", "", ""],
        ["4", "0", "1", "0"],
        ["5", "1", "0", "0"],
        ["6", "1", "1", "1"],
    ]
    path = written(tmp_path, rows)

    inference = inferred(path)

    assert again(inference, path) == rows
    question = asked(inference)["own"]
    assert question.type == "select_multiple"
    answers = [submission_of_row(inference.definition, record)[1].get("own") for _, record in inference.table.records()]
    assert answers[:3] == [["car", "bus"], [], None]


def test_own_words_that_would_lose_something_are_a_question_of_their_own(tmp_path: Path) -> None:
    rows = [["ID", "District", ""], ["", "Response", "Other (please specify)"]]
    rows += [
        [str(number), district, other]
        for number, (district, other) in enumerate(
            [("North", ""), ("North", "but near the river"), ("South", "x"), ("South", ""), ("North", "")]
        )
    ]
    path = written(tmp_path, rows)

    inference = inferred(path)

    assert again(inference, path) == rows
    assert [(question.key, question.type, question.other) for question in inference.definition.questions] == [
        ("district", "select_one", False),
        ("other_please_specify", "text", False),
    ]
    assert "not every one of its answers could be kept as own words" in inference.decisions[-1]


@pytest.mark.parametrize(
    "rows",
    [
        [["Name", "", ""], ["Asha", "kg", "5"], ["Ravi", "kg", "6"], ["Mira", "kg", "5"]],
        [["ID", "Choice", ""], ["1", "a", "b"], ["2", "a", "b"], ["3", "a", "b"]],
        [["Question", "Answer"], ["a", "Response"], ["b", "Response"]],
        [["Name", "", "Age"], ["Asha", "", "5"], ["Ravi", "x", "6"], ["Mira", "", "7"]],
    ],
)
def test_a_row_of_answers_is_not_taken_for_a_second_header(tmp_path: Path, rows: list[list[str]]) -> None:
    path = written(tmp_path, rows)

    inference = inferred(path)

    assert inference.rows == len(rows) - 1
    assert again(inference, path) == rows


def test_the_person_may_say_how_many_header_rows_there_are(tmp_path: Path) -> None:
    rows = [["Own", ""], ["Car", "Bike"], ["Car", "x"], ["y", "Bike"]]
    path = written(tmp_path, rows)

    assert inferred(path, header_rows=1).rows == 3
    two = inferred(path, header_rows=2)
    assert two.rows == 2
    assert again(two, path) == rows
    assert "because you said so" in two.decisions[0]


@pytest.mark.parametrize(
    ("values", "kind", "format_"),
    [
        (["1,234", "567", "12,345"], "integer", {"thousands": ","}),
        (["1,234,567", "12,000"], "integer", {"thousands": ","}),
        (["1.234,5", "0,25", "12"], "decimal", {"thousands": ".", "decimal": ","}),
        (["12,5", "0,25"], "decimal", {"decimal": ","}),
        (["1.50", "2.00"], "decimal", {"decimals": 2}),
        (["₹ 1,20,000", "₹ 900", "₹ 12,34,567"], "integer", {"prefix": "₹ ", "thousands": ",", "grouping": "indian"}),
        (["12 %", "100 %", "-3 %"], "integer", {"suffix": " %"}),
        (["-$1,234.50", "$0.00", "$12.00"], "decimal", {"prefix": "$", "thousands": ",", "decimals": 2, "minus": "first"}),
        (["1 234,00 €", "12,50 €"], "decimal", {"suffix": " €", "thousands": " ", "decimal": ",", "decimals": 2}),
        (["1\u202f234", "56"], "integer", {"thousands": "\u202f"}),
        (["1'234.5", "2.5"], "decimal", {"thousands": "'"}),
        (["Rs. 500", "Rs. 5"], "integer", {"prefix": "Rs. "}),
        (["31/12/2025", "01/02/2025"], "date", {"date": "DD/MM/YYYY"}),
        (["12/31/25", "01/02/99"], "date", {"date": "MM/DD/YY", "first_year": 1928}),
        (["31.12.2025", "1.2.2025"], "date", {"date": "D.M.YYYY"}),
        (["31-Dec-2025", "01-Feb-2025"], "date", {"date": "DD-MMM-YYYY"}),
        (["31-DEC-25"], "date", {"date": "DD-MMM-YY", "first_year": 1928, "months": "upper"}),
        (["December 31, 2025", "May 1, 2025"], "date", {"date": "MMMM D, YYYY"}),
        (["2025/12/31", "2025/01/02"], "date", {"date": "YYYY/MM/DD"}),
        (["9:30", "14:05"], "time", {"time": "H:mm"}),
        (["9:30 AM", "12:05 PM", "12:00 AM"], "time", {"time": "h:mm A"}),
        (["31/12/2025 9:30", "01/02/2025 14:05"], "datetime", {"datetime": "DD/MM/YYYY H:mm", "zone": "UTC"}),
        (["2025-12-31 09:30:15", "2025-01-01 00:00:00"], "datetime", {"datetime": "YYYY-MM-DD HH:mm:ss", "zone": "UTC"}),
        (["TRUE", "FALSE", "TRUE"], "boolean", {"true": "TRUE", "false": "FALSE"}),
        (["WAHR", "FALSCH"], "boolean", {"true": "WAHR", "false": "FALSCH"}),
        (["a; b", "a", "b", "b; c", "c"], "select_multiple", {"separator": "; "}),
        (["a, b", "a", "b", "b, c", "c, a", "b"], "select_multiple", {"separator": ", "}),
        (["a;b;", "a;", "b;", "b;c;", "c;"], "select_multiple", {"separator": ";", "closed": True}),
        (["a\nb", "a", "b", "b\nc", "c"], "select_multiple", {"separator": "\n"}),
    ],
)
def test_local_spellings_are_read_and_written_again(tmp_path: Path, values: list[str], kind: str, format_: dict[str, Any]) -> None:
    question = column(tmp_path, *values)

    assert (question.type, question.metadata.get("format")) == (kind, format_)


@pytest.mark.parametrize(
    ("values", "kind", "told"),
    [
        (["05/06/2025", "07/08/2025"], "text", "no answer tells whether it is written DD/MM/YYYY or MM/DD/YYYY"),
        (["05/06/2025", "31/12/2025", "12/31/2025"], "text", "differ too much"),
        (["31/02/2025", "01/02/2025"], "text", "differ too much"),
        (["1,000", "2,000"], "text", "may be of thousands or of decimals"),
        (["1,5", "1.5"], "text", "differ too much"),
        (["007", "012"], "text", "differ too much"),
        (["₹ 5", "$ 5"], "text", "differ too much"),
        (["-0,0", "1,5"], "text", "differ too much"),
        (["Class 5", "Class 6"], "text", "differ too much"),
        (["9:30 AM", "14:05 PM"], "text", "differ too much"),
        (["a; a", "b; b", "a", "b"], "text", "differ too much"),
        (["Yes, very", "No, not at all"] * 2, "select_one", "2 different values"),
        (["$25,000 - $49,999", "$50,000 - $99,999"] * 2, "select_one", "2 different values"),
        (["18-29", "30-44"] * 2, "select_one", "2 different values"),
        (["Ja", "Nein", "Nein", "Ja"], "select_one", "2 different values"),
        (["TRUE", "false"], "text", "differ too much"),
    ],
)
def test_what_can_not_be_decided_stays_as_it_is_and_says_so(tmp_path: Path, values: list[str], kind: str, told: str) -> None:
    question = column(tmp_path, *values)

    assert question.type == kind
    assert told in question.metadata["inferred"]
    assert "format" not in question.metadata


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["5", "6", "7", "about eight"], "each of the first 3 is a whole number, and the next one not"),
        (["2025-01-31", "yesterday", "31/12/2025"], "the first one is a date, and the next one not"),
        (["31/12/2025", "30/12/2025", "soon"], "each of the first 2 is written DD/MM/YYYY, and the next one not"),
        (["1 ", "2", "3"], "the first one is a whole number, but only without the white space around it"),
        (["1", " 2", "3"], "the first one is a whole number, and the next one only without the white space around it"),
        (["a", "1", "2"], "differ too much for a list of choices"),
    ],
)
def test_a_column_that_is_nearly_of_a_type_says_which_answer_is_in_the_way(tmp_path: Path, values: list[str], told: str) -> None:
    question = column(tmp_path, *values)

    assert question.type == "text"
    assert question.metadata["inferred"].endswith(told)


def test_rows_of_a_question_in_one_header_share_their_choices(tmp_path: Path) -> None:
    rows = [["When", "How was it? [Price]", "How was it? [Taste]", "How was it? [Other (please specify)]", "What [if any]"]]
    rows += [["today", "Good", "Good", "", "x"], ["later", "Bad", "Good", "soup", "y"], ["now", "Fair", "Good", "", ""]]
    rows += [["then", "Good", "Good", "", "z"], ["once", "Bad", "", "tea", ""]]
    path = written(tmp_path, rows)

    inference = inferred(path)

    questions = inference.definition.questions
    assert again(inference, path) == rows
    assert [question.type for question in questions] == ["text", "select_one", "select_one", "text", "text"]
    assert questions[1].choices == questions[2].choices
    assert [choice.code for choice in questions[2].choices] == ["good", "bad", "fair"]
    assert "the rows of this question share 3 values" in questions[2].metadata["inferred"]


def test_a_decided_order_of_day_and_month_is_said_with_its_reason(tmp_path: Path) -> None:
    assert "the other order of day and month does not fit them all" in column(tmp_path, "05/06/2025", "31/12/2025").metadata["inferred"]


@pytest.mark.parametrize(
    ("yes", "no"), [("Yes", "No"), ("ja", "nein"), ("OUI", "NON"), ("Sí", "No"), ("हाँ", "नहीं"), ("Ndiyo", "Hapana"), ("Y", "N")]
)
def test_yes_and_no_become_boolean_when_it_is_wished(tmp_path: Path, yes: str, no: str) -> None:
    question = column(tmp_path, yes, no, yes, booleans=True)

    assert (question.type, question.metadata["format"]) == ("boolean", {"true": yes, "false": no})


def test_mixed_spellings_of_yes_are_no_boolean(tmp_path: Path) -> None:
    assert column(tmp_path, "Yes", "yes", "No", "Yes", "yes", "No", booleans=True).type == "select_one"


@pytest.mark.parametrize(
    ("header", "values", "kind"),
    [
        ("Mobile number", ["9845012345", "98450 12346"], "phone"),
        ("फ़ोन", ["9845012345", "9845012346"], "phone"),
        ("Contact", ["+91 98450 12345", "+4930123456"], "phone"),
        ("Number of plots", ["9845012345", "9845012346"], "integer"),
        ("Phone", ["9845012345", "none"], "text"),
        ("Email", ["a@example.org", "b@example.org"], "email"),
    ],
)
def test_contacts_are_recognised_by_header_and_shape(tmp_path: Path, header: str, values: list[str], kind: str) -> None:
    assert column(tmp_path, *values, header=header).type == kind


def test_a_zone_makes_moments_of_local_times(tmp_path: Path) -> None:
    path = written(tmp_path, [["When", "n"], ["31/12/2025 09:30", "x"]])
    inference = inferred(path, zone="Asia/Kolkata")

    (record,) = [record for _, record in inference.table.records()]
    assert submission_of_row(inference.definition, record)[1]["when"] == "2025-12-31T04:00:00Z"
    assert again(inference, path)[1][0] == "31/12/2025 09:30"
    with pytest.raises(Invalid, match="no time zone 'Asia/Nowhere'"):
        inferred(path, zone="Asia/Nowhere")


def test_a_time_the_clock_skipped_is_no_moment(tmp_path: Path) -> None:
    assert column(tmp_path, "30/03/2025 02:30", "31/03/2025 09:00", zone="Europe/Berlin").type == "text"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_every_encoding_and_delimiter_gives_the_same_file(tmp_path: Path, encoding: str, delimiter: str) -> None:
    rows = [["Name", "Größe", "Wert"], ["Özil", "groß; klein", "1,5"], ["Émile", "groß", "0,25"], ["Zoë", "klein", "12,75"]]
    path = written(tmp_path, rows, encoding, delimiter=delimiter)

    inference = inferred(path)

    assert again(inference, path) == rows
    assert asked(inference)["wert"].metadata["format"] == {"decimal": ","}
    assert any("not UTF-8" in sentence for sentence in inference.decisions) == (encoding == "cp1252")


def test_a_thousand_or_a_fraction_is_not_guessed_in_files_of_countries_with_a_decimal_comma(tmp_path: Path) -> None:
    path = written(tmp_path, [["Name", "Wert"], ["a", "1.234"], ["b", "2.345"]], delimiter=";")

    assert asked(inferred(path))["wert"].type == "text"
    assert column(tmp_path, "1.234", "2.345").type == "decimal"


def test_titles_a_delimiter_line_and_short_rows_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text("sep=;\nName;Age;City\nAsha;5;Pune\nRavi;6\n", "utf-8")
    assert again(inferred(path), path) == [["Name", "Age", "City"], ["Asha", "5", "Pune"], ["Ravi", "6", ""]]

    path.write_text("Survey of plots\n\nName,Age,City\nAsha,5,Pune\nRavi,6,Pune\n", "utf-8")
    inference = inferred(path)
    assert again(inference, path) == [["Name", "Age", "City"], ["Asha", "5", "Pune"], ["Ravi", "6", "Pune"]]
    assert inference.definition.metadata["preamble"] == [["Survey of plots"], []]
    assert "2 title rows were kept" in inference.decisions[0]


def test_a_title_above_columns_of_one_name_leaves_the_delimiter_to_the_table(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    table = [["Name", "Amount", "Amount", "City"], ["Asha", "1,000", "12 %", "Pune"], ["Ravi", "2,000", "9 %", "Pune"]]
    path.write_text("Survey of plots\n\n" + "".join("\t".join(row) + "\n" for row in table), "utf-8")

    assert again(inferred(path), path) == table


def test_the_first_sheet_of_a_workbook_is_read_like_a_file(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.create_sheet("Responses")
    sheet, day = book.worksheets[1], datetime.fromisoformat
    sheet.append(["ID", "When", "Seen", "Age", "Value", "Member", "Text", None])
    sheet.append(["a1", day("2025-12-31"), day("2025-12-31T09:30"), 5, 1.5, True, "=1+1", None])
    sheet.append([])
    sheet.append(["a2", day("2025-01-02"), day("2025-01-02"), 6, 2, False, "x"])
    sheet["B2"].number_format = sheet["B4"].number_format = "yyyy-mm-dd"
    sheet["G2"].data_type = "s"
    path = tmp_path / "export.xlsx"
    book.save(path)

    inference = inferred(path)

    assert again(inference, path) == [
        ["ID", "When", "Seen", "Age", "Value", "Member", "Text"],
        ["a1", "2025-12-31", "2025-12-31 09:30:00", "5", "1.5", "TRUE", "=1+1"],
        ["a2", "2025-01-02", "2025-01-02 00:00:00", "6", "2", "FALSE", "x"],
    ]
    assert [question.type for question in inference.definition.questions] == ["date", "datetime", "integer", "decimal", "boolean", "text"]


@pytest.mark.parametrize("content", [b"PK\x03\x04 SECRET", b"PK\x03\x04" + bytes(2000)])
def test_a_damaged_workbook_is_refused_in_words(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "export.xlsx"
    path.write_bytes(content)

    with pytest.raises(Invalid) as caught:
        inferred(path)

    assert "export.xlsx" in caught.value.message
    assert "SECRET" not in caught.value.message
    assert caught.value.fix == "Save the sheet as CSV (UTF-8) and use that."


def test_very_wide_files_have_a_question_per_column(tmp_path: Path) -> None:
    rows = [[f"Question {number}" for number in range(300)], *([str((number * row) % 7) for number in range(300)] for row in range(20))]
    path = written(tmp_path, rows)

    inference = inferred(path)

    assert len(inference.definition.questions) == len(inference.decisions) == 300
    assert again(inference, path) == rows


def test_a_file_much_larger_than_the_memory_it_takes_is_read(tmp_path: Path) -> None:
    dice = random.Random(1)
    path = tmp_path / "export.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["ID", "Comment"], *([f"r{row}", f"{dice.random()}" * 60] for row in range(25_000))])
    tracemalloc.start()
    assert inferred(path).id_column == "ID"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert 3 * peak < path.stat().st_size


def test_an_id_that_comes_again_after_thousands_of_rows_identifies_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, [["ID", "a"], *([f"r{row % 24_999}", "x"] for row in range(25_000))])

    assert inferred(path).id_column is None


@pytest.mark.parametrize(
    ("question", "cell", "answer"),
    [
        ({"type": "integer", "metadata": {"format": {"thousands": "."}}}, "1.234", 1234),
        ({"type": "integer", "metadata": {"format": {"thousands": "."}}}, "1234", 1234),
        ({"type": "integer", "metadata": {"format": {"suffix": " %"}}}, "12", 12),
        ({"type": "decimal", "metadata": {"format": {"decimal": ","}}}, "1.5", 1.5),
        ({"type": "date", "metadata": {"format": {"date": "DD/MM/YYYY"}}}, "1/2/2025", "2025-02-01"),
        ({"type": "date", "metadata": {"format": {"date": "DD/MM/YYYY"}}}, "2025-02-01", "2025-02-01"),
        ({"type": "date", "metadata": {"format": {"date": "DD-MMM-YYYY"}}}, "1-february-2025", "2025-02-01"),
        ({"type": "boolean", "metadata": {"format": {"true": "Ja", "false": "Nein"}}}, "ja", True),
        ({"type": "boolean", "metadata": {"format": {"true": "Ja", "false": "Nein"}}}, "no", False),
        ({"type": "text", "metadata": {"format": {"date": "DD/MM/YYYY"}}}, "01/02/2025", "01/02/2025"),
    ],
)
def test_cells_in_the_format_of_a_question_and_plain_ones_are_read(question: dict[str, Any], cell: str, answer: Any) -> None:
    form = FormDefinition.model_validate({"form": "f", "title": "F", "questions": [{"key": "q", **question}]})

    assert submission_of_row(form, {"q": cell})[1] == {"q": answer}


@pytest.mark.parametrize(
    ("question", "cell", "told"),
    [
        ({"type": "date", "metadata": {"format": {"date": "DD/MM/YYYY"}}}, "SECRET", "or one in the question's format (date 'DD/MM/YYYY')"),
        ({"type": "date", "metadata": {"format": {"date": "DD/MM"}}}, "1", "`metadata.format` of `q` can't be used"),
        (
            {"type": "datetime", "metadata": {"format": {"datetime": "DD/MM/YYYY HH:mm", "zone": "Mars"}}},
            "1",
            "there is no time zone 'Mars'",
        ),
        ({"type": "integer", "metadata": {"format": {"thousand": ","}}}, "1", "can't be used"),
        ({"type": "boolean", "metadata": {"format": {"true": "Ja"}}}, "1", "can't be used"),
    ],
)
def test_a_format_that_does_not_fit_is_told_without_the_cell(question: dict[str, Any], cell: str, told: str) -> None:
    form = FormDefinition.model_validate({"form": "f", "title": "F", "questions": [{"key": "q", **question}]})

    with pytest.raises(Invalid) as caught:
        submission_of_row(form, {"q": cell})

    assert told in caught.value.message
    assert "SECRET" not in caught.value.message
    assert caught.value.fix


def test_two_columns_that_contradict_each_other_are_refused_not_merged(tmp_path: Path) -> None:
    form = inferred(written(tmp_path, SURVEY)).definition
    base = dict.fromkeys(inferred(written(tmp_path, SURVEY)).table.columns, "")

    with pytest.raises(Invalid, match="the response has a choice, too"):
        submission_of_row(form, {**base, "Your district | Response": "North", "Your district | Other (please specify)": "Konkan"})
    with pytest.raises(Invalid, match=r"Column 'Which of these do you own\? \| Car'"):
        submission_of_row(form, {**base, "Which of these do you own? | Car": "SECRET"})
    with pytest.raises(Invalid, match=r"no question for the column '\(column 13\)'"):
        submission_of_row(form, {**base, "(column 13)": "x"})


def test_a_file_with_the_key_a_question_had_before_is_read() -> None:
    question = {"key": "monthly_income", "type": "integer", "label": "Monthly income", "was": ["income"]}
    form = FormDefinition.model_validate({"form": "f", "title": "F", "questions": [question]})

    assert submission_of_row(form, {"income": "5"})[1] == {"monthly_income": 5}


def test_every_date_of_a_year_comes_back_in_every_spelling() -> None:
    for cell in ("31/12/25", "31-Dec-2025", "12.31.2025 11:59:59 pm", "2025/12/31T23:59"):
        for found in moment_formats(cell, 2026, "America/New_York"):
            if found.fits(cell):
                answer = found.read(cell)
                assert answer is not None
                assert found.write(answer) == cell


def test_the_command_says_what_it_decided(tmp_path: Path) -> None:
    path = written(tmp_path, SURVEY)
    run = CliRunner().invoke(collect, ["forms", "infer", str(path), "--form", "survey", "--zone", "Asia/Kolkata", "--json"])

    document = json.loads(run.output)
    assert run.exit_code == 0
    assert read_form(document["definition"]).form == "survey"
    assert any("Asia/Kolkata is assumed" in decision for decision in document["decisions"])


WORDS = st.sampled_from(["", "", "Good", "Bad", " ", "1", "0", "Other", "x", "a; b", "05/06/2025", "1,5"])


@st.composite
def surveys(draw: st.DrawFn) -> list[list[str]]:
    """Exports with two header rows: any mix of questions with one column and with several, and any cells below."""
    top, below, kinds = ["ID"], [""], []
    for number in range(draw(st.integers(1, 4))):
        labels = draw(st.lists(st.sampled_from(["Good", "Bad", "x", "1", "Other (please specify)"]), min_size=1, max_size=4))
        repeated = draw(st.booleans())
        top += [f"Q{number}", *([f"Q{number}" if repeated else ""] * (len(labels) - 1))]
        below += labels if len(labels) > 1 else [draw(st.sampled_from(["", "Response"]))]
        kind = draw(st.sampled_from(["own option", "mark", "words"]))
        kinds += [(kind, label) for label in labels]
    rows = []
    for number in range(draw(st.integers(0, 12))):
        cells = [
            draw(st.sampled_from(["", label]))
            if kind == "own option"
            else draw(st.sampled_from(["1", "0"]))
            if kind == "mark"
            else draw(WORDS)
            for kind, label in kinds
        ]
        rows.append([str(number + 1), *cells])
    return [top, below, *rows]


@drawn(35)
@given(surveys())
def test_any_export_with_two_header_rows_is_given_back_cell_by_cell(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    assume(any(rows[1]))
    path = written(tmp_path_factory.mktemp("survey"), rows)

    assert again(inferred(path, header_rows=2), path) == rows


def test_every_row_is_sent_with_the_answers_of_all_its_columns(tmp_path: Path) -> None:
    path = written(tmp_path, SURVEY)
    form = inferred(path).definition

    sent = [json.loads(row.body) for row in read_rows(path, form)]

    assert [document["id"] for document in sent] == ["1", "2", "3", "4", "5", "6"]
    assert sent[1]["answers"]["which_of_these_do_you_own"] == ["bike", {"other": "boat"}]
    assert all(check_answers(form, document["answers"]) == [] for document in sent)
