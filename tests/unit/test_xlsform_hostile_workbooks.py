"""Workbooks changed at random, in their cells or in their bytes, give a form that comes back, or FormInvalid with places."""

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from collect_pipelines.errors import FormInvalid
from collect_pipelines.forms.xlsform.exporting import export_form
from collect_pipelines.forms.xlsform.importing import import_form
from tests.drawn import drawn
from tests.unit.xlsform_books import as_csv, xls, xlsx
from tests.unit.xlsform_large import CHOICES, HEADER, SETTINGS, SURVEY

Sheets = dict[str, list[list[Any]]]

SMALL = SURVEY[:32]
PIECES: list[Any] = [
    None,
    "",
    "yes",
    "no",
    "true()",
    1,
    0,
    -3,
    2.5,
    1e300,
    True,
    datetime(2024, 1, 2, 3, tzinfo=UTC).replace(tzinfo=None),
    date(2024, 1, 2),
    time(3, 4),
    "=1+1",
    "#REF!",
    "😀",
    "a b",
    "1abc",
    "meta",
    "data",
    "respondent",
    "${age}",
    "${nobody}",
    "${",
    "${state} = 's1'",
    ". > 5",
    ". > ",
    "((((",
    "a" * 300,
    "x" * 12_000,
    "\n",
    "नाम",
    "integer",
    "text",
    "select_one yn",
    "select_one nope",
    "select_multiple village",
    "select_one_from_file a.csv",
    "select_one ${age}",
    "begin_group",
    "end_group",
    "begin_repeat",
    "end repeat",
    "begin loop over yn",
    "group",
    "rank",
    "rank tools",
    "range",
    "start=a end=3",
    "start=0 end=10 step=0",
    "start=5 end=1",
    "calculate",
    "csv-external",
    "audit",
    "start-geopoint",
    "background-geopoint",
    "osm x",
    "hidden",
    "percentage",
    "phone number",
    "Text",
    "selct_one yn",
    "select_one yn or_other",
    "select_one_external state",
    "type",
    "name",
    "label",
    "labell",
    "relevnt",
    "constraint",
    "label::zz (zz)",
    "label::klingon",
    "bind::foo",
    "bind::relevant",
    "body::accept",
    "media::audio",
    "list name",
    "list_name",
    "state",
    "other",
    "not(.)",
    "1 = 1",
    "pulldata('a','b','c','d')",
    "../x",
    "count(${members}) > 2",
    "selected(${best}, 'plough')",
    "if(${age} > 5, 'a', 'b') = 'a'",
    "coalesce(${age}, 3) > 2",
    "${age} div 2 > 3",
    "regex(., '(')",
    ". >= 10 and . <= 5",
    "date('2024-13-01')",
    "state = ${state} and name = ${district}",
    "selected(${best}, state)",
    "a,b",
    "a|b",
    "Hindi (hi)",
    "en",
    "allow_choice_duplicates",
    "x005F_",
    "\x1f",
    "a\xa0b",
]
LENIENT = drawn(20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@st.composite
def changed(draw: st.DrawFn) -> Sheets:
    """A sound workbook with one to six changes: cells, rows, headers and sheets, out of what goes wrong in workbooks."""
    sheets: Sheets = {
        "survey": [list(row) for row in SMALL],
        "choices": [list(row) for row in CHOICES[:40]],
        "settings": [list(row) for row in SETTINGS],
    }
    for _ in range(draw(st.integers(1, 6))):
        title = draw(st.sampled_from(sorted(sheets)))
        rows = sheets[title]
        at = draw(st.integers(0, max(len(rows) - 1, 0)))
        column = draw(st.integers(0, len(HEADER)))
        match draw(st.sampled_from(["cell", "cell", "cell", "header", "copy", "drop", "new", "blank", "sheet"])) if rows else "new":
            case "cell":
                rows[at] = [*rows[at][:column], *[None] * (column - len(rows[at])), draw(st.sampled_from(PIECES)), *rows[at][column + 1 :]]
            case "header":
                rows[0] = [*rows[0][:column], draw(st.sampled_from(PIECES)), *rows[0][column + 1 :]]
            case "copy":
                rows.insert(at, list(draw(st.sampled_from(rows))))
            case "drop":
                del rows[at]
            case "new":
                rows.insert(at, draw(st.lists(st.sampled_from(PIECES), max_size=8)))
            case "blank":
                sheets[title] = [[cell for index, cell in enumerate(row) if index != column] for row in rows]
            case "sheet":
                sheets[draw(st.sampled_from(["surveys", "Choice", "collect", "entities", "osm", "external_choices", "x"]))] = sheets.pop(
                    title
                )
    return sheets


def holds(path: Path, folder: Path) -> None:
    try:
        form = import_form(path).definition
    except FormInvalid as exc:
        assert exc.problems
        return
    again = folder / "again.xlsx"
    again.write_bytes(export_form(form, "xlsform").content)

    assert import_form(again).definition.model_dump(mode="json") == form.model_dump(mode="json")


@LENIENT
@given(changed(), st.sampled_from([".xlsx", ".csv", ".xls"]))
def test_changed_cells_give_a_form_or_places(tmp_path: Path, sheets: Sheets, kind: str) -> None:
    if kind == ".xls":
        plain = {
            title: [[cell if isinstance(cell, bool | int | float) else str(cell or "")[:250] for cell in row] for row in rows]
            for title, rows in sheets.items()
        }
        path = xls(tmp_path, **plain)
    elif kind == ".csv":
        path = as_csv(tmp_path, **sheets)
    else:
        writable = {title: [[None if cell == "\x1f" else cell for cell in row] for row in rows] for title, rows in sheets.items()}
        path = xlsx(tmp_path, **writable)

    holds(path, tmp_path)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The same workbook as every kind of file."""
    folder = tmp_path_factory.mktemp("sound")
    sheets: Sheets = {"survey": SMALL, "choices": CHOICES[:40], "settings": SETTINGS}
    return {write.__name__: write(folder, **sheets).read_bytes() for write in (xlsx, as_csv, xls)}


@LENIENT
@given(
    st.sampled_from(["xlsx", "as_csv", "xls"]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), st.binary(max_size=9)), min_size=1, max_size=6),
)
def test_changed_bytes_give_a_form_or_places(
    tmp_path: Path, sound: dict[str, bytes], kind: str, changes: list[tuple[float, int, bytes]]
) -> None:
    content = bytearray(sound[kind])
    for where, gone, new in changes:
        at = int(where * len(content))
        content[at : at + gone] = new
    path = tmp_path / "form.bin"
    path.write_bytes(bytes(content))

    holds(path, tmp_path)
