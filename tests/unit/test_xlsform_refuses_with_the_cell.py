"""Whatever the file, import gives a form or says sheet, row and column, and what to do: never a traceback."""

import io
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from collect_pipelines.errors import FormInvalid, PluginError
from collect_pipelines.forms.xlsform import archive, reading
from collect_pipelines.forms.xlsform.files import book
from collect_pipelines.forms.xlsform.importing import import_form
from tests.unit.xlsform_books import YES_NO, as_csv, biff, compound_file, read, xls, xlsx

SURVEY = [["type", "name", "label"], ["text", "a", "A"]]


def refused(call: Callable[[], Any]) -> list[str]:
    with pytest.raises(FormInvalid) as caught:
        call()

    assert caught.value.problems and caught.value.fix
    return list(caught.value.problems)


def only(call: Callable[[], Any]) -> str:
    (problem,) = refused(call)
    return problem


def file(folder: Path, content: bytes, name: str = "form.xlsx") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def zipped(**parts: bytes | str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in parts.items():
            target.writestr(name, content)
    return stream.getvalue()


def repacked(path: Path, **changes: bytes) -> bytes:
    with zipfile.ZipFile(path) as source:
        return zipped(**{name: source.read(name) for name in source.namelist()} | changes)


FILES = {
    "nothing": (b"", "is empty"),
    "blanks": (b"\n \n", "is empty"),
    "a PDF": (b"%PDF-1.7 ...", "is a PDF"),
    "a picture": (b"\x89PNG\r\n\x1a\n", "is a picture"),
    "a web page": (b"<html><body>", "is a web page"),
    "noise": (bytes(range(256)) * 9, "no spreadsheet that is known"),
    "half a ZIP": (zipped(**{"xl/workbook.xml": "<x/>"})[:60], "is no XLSX file or damaged"),
    "another ZIP": (zipped(**{"a.txt": "a"}), "is a ZIP archive, but no XLSX file"),
    "OpenDocument": (zipped(mimetype="application/vnd.oasis.opendocument.spreadsheet"), "is an OpenDocument file"),
    "binary XLSB": (zipped(**{"xl/workbook.bin": b"\x00"}), "is a binary workbook"),
    "macros": (zipped(**{"xl/vbaProject.bin": b"\x00", "xl/workbook.xml": "<x/>"}), "macros are never read"),
    "encrypted XLSX": (compound_file("EncryptedPackage".encode("utf-16-le")), "is encrypted; save it without a password"),
    "another compound file": (compound_file(b"\x00" * 64), "is no XLS workbook, or damaged"),
    "half a compound file": (compound_file(b"\x00" * 64)[:700], "can't be read, it is damaged"),
    "encrypted XLS": (
        compound_file(biff({"survey": SURVEY}).replace(b"\x42\x00\x02\x00", b"\x2f\x00\x02\x00", 1)),
        "is encrypted; save it without a password",
    ),
    "CSV with an open quote": (b'survey\n,type,name,label\n,text,a,"A\n,text,b,B\n', "line 3 is no CSV"),
    "CSV with rows before a sheet": (b",type,name\n", "the first cell of the first line names a sheet"),
}


@pytest.mark.parametrize(("content", "words"), FILES.values(), ids=list(FILES))
def test_what_is_no_workbook_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    problems = refused(lambda: import_form(file(tmp_path, content)))

    assert any(words in problem for problem in problems), problems


def test_a_zip_bomb_is_refused_before_a_library_opens_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openpyxl.load_workbook", lambda *_, **__: pytest.fail("opened"))
    steep = zipped(**{"xl/workbook.xml": "<x/>", "xl/worksheets/sheet1.xml": b"<row/>" * 2_000_000})
    monkeypatch.setattr(archive, "MAX_UNPACKED_BYTES", 1 << 20)
    large = zipped(**{"xl/workbook.xml": "<x/>", "xl/media/a.bin": bytes(range(256)) * 8_192})

    for content in (steep, large):
        assert "unpacks to " in only(lambda content=content: import_form(file(tmp_path, content)))  # type: ignore[misc]


def test_a_large_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_FILE_BYTES", 1_000)

    assert "is larger than 0 MB" in only(lambda: import_form(file(tmp_path, b"x" * 1_001)))


ENTITIES = {
    "billion laughs": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>',
    "external entity": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
    "in UTF-16": '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd"><x/>'.encode("utf-16"),
}


@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/sharedStrings.xml", "xl/worksheets/sheet1.xml"])
@pytest.mark.parametrize("xml", ENTITIES.values(), ids=list(ENTITIES))
def test_xml_that_declares_anything_is_not_read(tmp_path: Path, part: str, xml: bytes) -> None:
    content = repacked(xlsx(tmp_path, survey=SURVEY), **{part: xml})

    assert f"declares a document type in {part}" in only(lambda: import_form(file(tmp_path, content)))


def test_a_part_of_another_name_is_looked_at_too(tmp_path: Path) -> None:
    content = repacked(
        xlsx(tmp_path, survey=SURVEY), **{"xl/worksheets/sheet1.dat": ENTITIES["billion laughs"], "xl/media/a.png": b"\x89PNG"}
    )

    assert "declares a document type in xl/worksheets/sheet1.dat" in only(lambda: import_form(file(tmp_path, content)))


def test_a_device_is_read_only_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_FILE_BYTES", 1_000)

    assert "is larger than 0 MB" in only(lambda: import_form(Path("/dev/zero")))


def test_too_many_rows_and_columns_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = [["type", "name", "label", *(f"c{number}" for number in range(600))], ["text", "a", "A"]]

    assert "sheet survey, row 1: has more than 500 columns" in only(lambda: read(tmp_path, wide))
    monkeypatch.setattr(book, "MAX_ROWS", 20)
    assert "sheet survey, row 22: has more than 20 rows" in only(
        lambda: read(tmp_path, SURVEY[:1] + [["text", f"q{n}", "Q"] for n in range(30)])
    )


def test_a_row_a_million_rows_down_is_no_matter(tmp_path: Path) -> None:
    path = xlsx(tmp_path, survey=SURVEY)
    with zipfile.ZipFile(path) as source:
        sheet = source.read("xl/worksheets/sheet1.xml").replace(
            b"</sheetData>", b'<row r="1048576"><c r="A1048576" s="0"/></row></sheetData>'
        )

    content = repacked(path, **{"xl/worksheets/sheet1.xml": sheet})

    assert [question.key for question in import_form(file(tmp_path, content)).definition.questions] == ["a"]


BAD: dict[str, tuple[list[list[Any]], str]] = {
    "no type column": ([["name", "label"], ["a", "A"]], "sheet survey, row 1: has no column `type`"),
    "a header twice": (
        [["type", "name", "label", "label"], ["text", "a", "A"]],
        "sheet survey, row 1, column label: the header is there twice",
    ),
    "two names of a column": (
        [["type", "name", "relevant", "relevance"], ["text", "a"]],
        "column relevance: means the same as the column relevant",
    ),
    "a typing error": (
        [["type", "name", "label", "constrain"], ["text", "a", "A"]],
        "column constrain: is no column of XLSForm; did you mean constraint?",
    ),
    "relevence": (
        [["type", "name", "label", "relevence"], ["text", "a", "A"]],
        "column relevence: is no column of XLSForm; did you mean relevant?",
    ),
    "a header without end": ([["type", "name", "label", "x" * 300], ["text", "a", "A"]], "a header has at most 200 characters"),
    "no type": ([*SURVEY, [None, "b", "B"]], "sheet survey, row 3, column type: is blank"),
    "no name": ([*SURVEY, ["text", None, "B"]], "sheet survey, row 3, column name: is blank; give the text a name"),
    "an unknown type": ([*SURVEY, ["txt", "b", "B"]], "sheet survey, row 3, column type: `txt` is no type of XLSForm; did you mean text?"),
    "a misspelt select": ([*SURVEY, ["selct_one yn", "b", "B"]], "did you mean select_one?"),
    "no list": ([*SURVEY, ["select_one", "b", "B"]], "name the list of choices behind it, e.g. select_one yes_no"),
    "a list with a space": ([*SURVEY, ["select_one yes no", "b", "B"]], "a list's name has no spaces: write select_one yes_no"),
    "a type of another program": ([*SURVEY, ["number", "b", "B"]], "`number` is no type of XLSForm; did you mean integer or decimal?"),
    "a title above the header": ([["My form"], [], *SURVEY], "has no column `type`; the first row names the columns; row 3 looks like it"),
    "what or_other makes": (
        [["type", "name", "label", "relevant"], ["select_one yn or_other", "a", "A"], ["text", "b", "B", "${a_other} = 'x'"]],
        "names the question `a_other`, which is not there; or_other makes it out of sight",
    ),
    "the count of a repeat": (
        [
            ["type", "name", "label", "relevant"],
            ["begin_repeat", "r", "R"],
            ["text", "a", "A"],
            ["end_repeat"],
            ["note", "b", "B", "${r_count} > 1"],
        ],
        "names the question `r_count`, which is not there; write count(${r}) for the number of rows",
    ),
    "a name with a space": ([*SURVEY, ["text", "my name", "B"]], "sheet survey, row 3, column name: `my name` can't be a name"),
    "a leading digit": (
        [*SURVEY, ["text", "1st", "B"]],
        "starts with a letter or _, and has letters, digits, _, - and . only; `q_1st` would do",
    ),
    "a name twice": ([*SURVEY, ["text", "a", "B"]], "sheet survey, row 3, column name: `a` is already the name of row 2"),
    "an open group": (
        [*SURVEY, ["begin_group", "g", "G"], ["text", "b", "B"]],
        "row 3, column type: begin_group `g` is not closed; add a row of type end_group",
    ),
    "an end too many": ([*SURVEY, ["end_group"]], "sheet survey, row 3, column type: closes a group, but none is open"),
    "crossed ends": (
        [*SURVEY, ["begin_group", "g", "G"], ["begin_repeat", "r", "R"], ["text", "b", "B"], ["end_group"], ["end_repeat"]],
        "sheet survey, row 6, column type: closes a group, but the last one open is the repeat `r` of row 4",
    ),
    "an empty group": (
        [*SURVEY, ["begin_group", "g", "G"], ["end_group"]],
        "sheet survey, row 3, column name: the group `g` has nothing in it",
    ),
    "a missing list": (
        [*SURVEY, ["select_one nope", "b", "B"]],
        "sheet survey, row 3, column type: the list `nope` is not in the choices sheet; add its choices",
    ),
    "a misspelt list": ([*SURVEY, ["select_one ynn", "b", "B"]], "the list `ynn` is not in the choices sheet; did you mean `yn`?"),
    "no calculation": ([*SURVEY, ["calculate", "b", "B"]], "sheet survey, row 3, column calculation: is blank"),
    "no label": (
        [*SURVEY, ["text", "b"]],
        "sheet survey, row 3, column label: The survey element named 'b' has no label or hint. (said by pyxform)",
    ),
    "a label of 20 KB": ([*SURVEY, ["text", "b", "x" * 20_000]], "sheet survey, row 3, column label: must have 1 to 10,000 characters"),
    "letters in a range": (
        [["type", "name", "label", "parameters"], ["range", "b", "B", "start=a"]],
        "column parameters: For the 'range' question type, the parameter 'start' must be a number. (said by pyxform)",
    ),
    "a name nobody has": (
        [["type", "name", "label", "relevant"], ["text", "consent", "A"], ["text", "b", "B", "${consnt} = 'a'"]],
        "sheet survey, row 3, column relevant: names the question `consnt`, which is not there; did you mean `consent`?",
    ),
    "a circle": (
        [
            ["type", "name", "label", "relevant"],
            ["text", "a", "A", "${b} = ''"],
            ["begin_group", "g", "G", "${a} = ''"],
            ["text", "b", "B"],
            ["end_group"],
        ],
        "depends on itself: a -> b -> g -> a",
    ),
    "a circle of one": ([["type", "name", "label", "relevant"], ["text", "a", "A", "${a} = ''"]], "depends on itself: a -> a"),
    "bounds nobody keeps": (
        [["type", "name", "label", "constraint"], ["integer", "a", "A", ". > 9 and . < 5"]],
        "row 2, column constraint: questions[0].min",
    ),
    "an open reference": (
        [["type", "name", "label", "default"], ["text", "a", "A", "${a"]],
        "sheet survey, row 2, column default: Reference variables must",
    ),
    "too deep": (
        [*SURVEY, *(["begin_group", f"g{n}", "G"] for n in range(9)), ["text", "b", "B"], *(["end_group"] for _ in range(9))],
        "row 11, column type: `g8` is nested deeper than 8 levels; flatten the groups",
    ),
    "too many questions": (
        [SURVEY[0], *(["text", f"q{n}", "Q"] for n in range(1_001))],
        "row 1002, column name: the form has more than 1,000 questions",
    ),
    "only remarks": ([["type", "name", "label", "remark"], [None, None, None, "to do"]], "sheet survey: has no questions"),
    "an error of a formula": ([*SURVEY, ["text", "b", "#REF!"]], "sheet survey, row 3, column C: holds the error #REF!"),
    "a formula never computed": (
        [*SURVEY, ["text", "b", "=A1&A2"]],
        "sheet survey, row 3, column C: holds a formula without a result; open the file",
    ),
}


@pytest.mark.parametrize(("survey", "words"), BAD.values(), ids=list(BAD))
def test_a_fault_of_the_survey_is_told_with_its_cell(tmp_path: Path, survey: list[list[Any]], words: str) -> None:
    problems = refused(lambda: read(tmp_path, survey, YES_NO))

    assert any(words in problem for problem in problems), problems


HEAD = ["list_name", "name", "label"]
BAD_CHOICES: dict[str, tuple[list[list[Any]], str]] = {
    "a code twice": ([HEAD, ["yn", "a", "A"], ["yn", "a", "B"]], "sheet choices, row 3, column name: `a` is already in row 2"),
    "no code": ([HEAD, ["yn", None, "A"]], "sheet choices, row 2, column name: is blank"),
    "no list": ([HEAD, ["yn", "a", "A"], [None, "b", "B"]], "sheet choices, row 3, column list_name: is blank"),
    "a space in a code": ([HEAD, ["yn", "a b", "A"]], "sheet choices, row 2, column name: `a b` has more than 64 characters, or a space"),
    "a long code": ([HEAD, ["yn", "x" * 65, "A"]], "has more than 64 characters"),
    "no column name": (
        [["list_name", "code", "label"], ["yn", "a", "A"]],
        "sheet choices, row 1: there is no column name; add a column name",
    ),
    "a misspelt column": (
        [["list_name", "name", "lable"], ["yn", "a", "A"]],
        "row 1, column lable: there is no column label; did you mean label by lable?",
    ),
    "a strange column": ([[*HEAD, "hint::en"], ["yn", "a", "A"]], "sheet choices, row 1, column hint::en: is no column of choices"),
    "2,001 choices": ([HEAD, *(["yn", f"c{n}", "C"] for n in range(2_001))], "the list `yn` has 2,001 choices, at most 2,000 are possible"),
}


@pytest.mark.parametrize(("choices", "words"), BAD_CHOICES.values(), ids=list(BAD_CHOICES))
def test_a_fault_of_the_choices_is_told_with_its_cell(tmp_path: Path, choices: list[list[Any]], words: str) -> None:
    problems = refused(lambda: read(tmp_path, [*SURVEY, ["select_one yn", "b", "B"]], choices))

    assert any(words in problem for problem in problems), problems


SHEETS: dict[str, tuple[dict[str, list[list[Any]]], str]] = {
    "no survey": ({"questions": SURVEY, "choices": YES_NO}, "has no sheet named survey, only choices, questions"),  # type: ignore[dict-item]
    "a misspelt survey": ({"surveys": SURVEY, "choices": YES_NO}, "did you mean `surveys`?"),  # type: ignore[dict-item]
    "an external select of everything": (
        {"survey": [["type", "name", "label"], ["select_one_external yn", "a", "A"]], "external_choices": YES_NO},  # type: ignore[dict-item]
        "sheet survey, row 2, column choice_filter: is blank; a select_one_external is for filtered lists",
    ),
    "a misspelt sheet": ({"survey": SURVEY, "choises": YES_NO}, "sheet choises: is no sheet of XLSForm; did you mean choices?"),  # type: ignore[dict-item]
    "a misspelt setting": (
        {"survey": SURVEY, "settings": [["form_titel"], ["A"]]},
        "sheet settings, row 1, column form_titel: is no setting of XLSForm; did you mean form_title?",
    ),
    "a broken sheet of ours": (
        {"survey": SURVEY, "collect": [["part", "name", "field", "value"], ["question", "a", "pii", "{"]]},
        "sheet collect, row 2, column value: is not as export wrote it",
    ),
    "a strange sheet of ours": (
        {"survey": SURVEY, "collect": [["part", "value"], ["thing", "1"]]},
        "sheet collect, row 2, column part: `thing` is not known",
    ),
    "a wrong value in our sheet": (
        {"survey": SURVEY, "collect": [["part", "name", "field", "value"], ["question", "a", "pii", '"maybe"']]},
        "sheet survey, row 2, column name: questions[0].pii",
    ),
}


@pytest.mark.parametrize(("sheets", "words"), SHEETS.values(), ids=list(SHEETS))
def test_a_fault_of_a_sheet_is_told(tmp_path: Path, sheets: dict[str, list[list[Any]]], words: str) -> None:
    problems = refused(lambda: import_form(xlsx(tmp_path, **sheets)))

    assert any(words in problem for problem in problems), problems


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    survey = [*SURVEY, ["text", "a", "A"], ["txt", "b", "B"], ["select_one nope", "c", "C"], ["text", None, "D"]]

    assert len(refused(lambda: read(tmp_path, survey, YES_NO))) >= 3


def test_more_faults_than_anybody_reads_are_not_looked_for(tmp_path: Path) -> None:
    survey = [["type", "name", "label"], *(["txt", f"q{n}", "Q"] for n in range(5_000))]

    with pytest.raises(FormInvalid, match=r"^More than 100 faults in ") as caught:
        read(tmp_path, survey)

    assert len(caught.value.problems) == 100


def test_csv_and_xls_tell_their_own_rows(tmp_path: Path) -> None:
    survey = [*SURVEY, [], [], ["txt", "b", "B"]]

    assert "form.csv: sheet survey, row 6, column type" in only(lambda: import_form(as_csv(tmp_path, survey=survey)))
    assert "form.xls: sheet survey, row 5, column type" in only(lambda: import_form(xls(tmp_path, survey=survey)))


def test_an_error_cell_of_an_xls_is_refused(tmp_path: Path) -> None:
    stream = biff({"survey": [*SURVEY, ["text", "b", True]]})
    truth, error = struct.pack("<HHHHHHBB", 0x0205, 8, 2, 2, 0, 1, 0, 0)[:10], b""
    broken = stream.replace(truth + b"\x01\x00", truth + b"\x2a\x01") + error

    assert broken != stream
    assert "sheet survey, row 3, column C: holds the error #N/A" in only(lambda: import_form(file(tmp_path, compound_file(broken))))


def test_merged_cells_and_other_sheets_are_told(tmp_path: Path) -> None:
    workbook = Workbook()
    page = workbook.active
    page.title = "survey"
    for row in [*SURVEY, ["text", "b", "B"]]:
        page.append(row)
    page.merge_cells("D2:D3")
    workbook.create_sheet("remarks")
    workbook.save(tmp_path / "form.xlsx")

    notes = [str(note) for note in import_form(tmp_path / "form.xlsx").notes]

    assert notes == [
        "sheet survey: the cells merged at D2 hold one text in the first of them; unmerge cells that all need it",
        "sheet remarks: is no sheet of XLSForm and is not read",
    ]


def test_a_missing_package_is_told_with_the_line_that_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyxform", None)

    with pytest.raises(PluginError) as caught:
        import_form(tmp_path / "form.xlsx")

    assert caught.value.fix == "pip install 'collect-pipelines[xlsform]'"
