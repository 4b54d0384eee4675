"""Reading what names a place or a part: A1 notation, field masks, Drive queries; and numbers as people see them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collect_pipelines.local.sheets.a1 import Area, column_index, column_letters, parse_range, quoted_title, split_range
from collect_pipelines.local.sheets.errors import ApiError
from collect_pipelines.local.sheets.formats import formatted
from collect_pipelines.local.sheets.masks import parse_mask, select, update_paths


@given(st.integers(0, 18_277))
def test_column_letters_and_indexes_are_inverses(index: int) -> None:
    assert column_index(column_letters(index)) == index


@pytest.mark.parametrize(("index", "letters"), [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA"), (18_277, "ZZZ")])
def test_columns_count_as_in_every_spreadsheet(index: int, letters: str) -> None:
    assert column_letters(index) == letters


@given(st.text(min_size=1, max_size=30), st.sampled_from(["A1", "B2:C9", "A:C"]))
def test_any_title_survives_being_quoted(title: str, cells: str) -> None:
    assert split_range(f"{quoted_title(title)}!{cells}") == (title, cells)


@pytest.mark.parametrize(
    ("text", "area"),
    [
        ("B2", Area(1, 2, 1, 2)),
        ("$A$1:C3", Area(0, 3, 0, 3)),
        ("C3:A1", Area(0, 3, 0, 3)),
        ("A:C", Area(None, None, 0, 3)),
        ("2:5", Area(1, 5, None, None)),
        ("A5:C", Area(4, None, 0, 3)),
        ("", None),
        ("A0", None),
        ("AAAA1", None),
        ("A1:", None),
        ("Sheet1", None),
    ],
)
def test_a1_notation_is_read_as_google_reads_it(text: str, area: Area | None) -> None:
    assert parse_range(text) == area


def test_a_mask_nests_with_dots_slashes_and_brackets() -> None:
    document = {"a": {"b": 1, "c": [{"d": 2, "e": 3}]}, "f": 4}

    assert select(document, parse_mask("a(b,c/d),f")) == {"a": {"b": 1, "c": [{"d": 2}]}, "f": 4}
    assert select(document, parse_mask("*")) == document


@pytest.mark.parametrize("text", ["a(", "a)", "a,,b", ".a", "a..b", "a b!", "a(b))"])
def test_a_broken_mask_is_refused(text: str) -> None:
    with pytest.raises(ApiError):
        parse_mask(text)


def test_the_mask_of_a_request_may_not_be_missing_or_name_what_there_is_not() -> None:
    assert update_paths("userEnteredValue,userEnteredFormat(textFormat.bold,numberFormat)", "CellData") == [
        "userEnteredValue",
        "userEnteredFormat.textFormat.bold",
        "userEnteredFormat.numberFormat",
    ]
    for text in (None, "", "colour"):
        with pytest.raises(ValueError):
            update_paths(text, "CellData")


@pytest.mark.parametrize(
    ("value", "kind", "pattern", "shown"),
    [
        (45322, "DATE", "yyyy-mm-dd", "2024-01-31"),
        (45322.5, "DATE_TIME", "yyyy-mm-dd hh:mm:ss", "2024-01-31 12:00:00"),
        (0.75, "TIME", None, "6:00:00 PM"),
        (45322, "DATE", "d mmmm yyyy", "31 January 2024"),
        (0.256, "PERCENT", "0%", "26%"),
        (1234.5, "NUMBER", "#,##0.00", "1,234.50"),
        (-1234.5, "CURRENCY", None, "-$1,234.50"),
        (12345, "SCIENTIFIC", None, "1.23E+04"),
        (42, "TEXT", None, "42"),
    ],
)
def test_numbers_are_shown_in_their_format(value: float, kind: str, pattern: str | None, shown: str) -> None:
    assert formatted(value, {"type": kind} | ({"pattern": pattern} if pattern else {})) == shown
