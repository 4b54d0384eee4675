"""CSV files: no cell is run as a formula, and every text can be had back character by character."""

import csv
import io
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collect_pipelines.destinations.file import FileConfig
from collect_pipelines.destinations.file.csv_cells import headings
from collect_pipelines.destinations.file.formats import format_of
from tests.contract.file_tools import AGE, NAME, batch, column, entry, file

FORMULAS = ["=1+1", "+91 98", "-2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\x00=1", "＝1", "＋1", "－1", "＠x", "'=1", "''-1"]  # noqa: RUF001
DANGEROUS = tuple("=+-@\t\r\n\x00＝＋－＠")  # noqa: RUF001


def cells(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def written(text: str, **config: bool) -> str:
    sent = batch(1, entry("a", 1, text, 5))
    rows = cells(format_of(FileConfig(format="csv", **config)).written(sent.frame, headings({}, sent.columns, keep=False), "UTC"))
    return rows[1][rows[0].index("Name")]


def unsafe(cell: str) -> str:
    """As docs/destinations/file.md tells programs to take the mark away again."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(DANGEROUS) else cell


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_that_could_be_a_formula_gets_a_mark_before_it(text: str) -> None:
    assert written(text) == f"'{text}"
    assert unsafe(written(text)) == text
    assert written(text, formula_safe=False) == text


@pytest.mark.parametrize("text", ["", "plain", "a=1", "1-2", "'quoted'", "'", "नमस्ते", "👩🏽‍🌾", " =1", '"', "a,b", "a\nb", "a\rb"])
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert written(text) == text


@given(text=st.text(alphabet=st.one_of(st.sampled_from("='+-@\t\r\n\",ä "), st.characters(exclude_categories=["Cs"])), max_size=12))
def test_every_text_can_be_had_back(text: str) -> None:
    shown = written(text)

    assert not shown.startswith(DANGEROUS)
    assert unsafe(shown) == text


def test_headings_are_safe_and_there_once() -> None:
    columns = [
        column("a", label="=cmd"),
        column("b", label="Name"),
        column("c", label="name"),
        column("d", label="_position"),
        column("e", label="E"),
    ]

    known = headings({}, columns, keep=False)
    assert list(known.values()) == ["=cmd", "Name", "name (c)", "q_d", "E"]
    sent = batch(1, entry("a", 1, "x"), columns=columns)
    (head, _) = cells(format_of(FileConfig(format="csv")).written(sent.frame, known, "UTC"))
    assert "'=cmd" in head
    assert len(set(head)) == len(head)


def test_headings_that_were_given_stay_while_others_come(tmp_path: Path) -> None:
    first = headings({}, [column("a", label="Name")], keep=True)
    later = headings(first, [column("b", label="Name"), column("a", label="Other")], keep=True)

    assert later == {"q_a": "Name", "q_b": "Name (b)"}


def test_numbers_stay_numbers_and_moments_are_told_in_the_zone_of_the_integration(tmp_path: Path) -> None:
    columns = (NAME, AGE, column("when", "datetime"), column("day", "date"), column("crops", "select_multiple"), column("ok", "boolean"))
    sent = batch(
        1,
        entry("a", 1, "x", -5, datetime(2030, 1, 1, 20, 0, 0, 500_000, tzinfo=UTC), date(2030, 1, 1), ["w", 'q"'], True),
        entry("b", 2),
        columns=columns,
        time_zone="Asia/Kolkata",
    )
    file(tmp_path, format="csv").deliver(sent)

    head, first, second = cells((tmp_path / "out" / "household.csv").read_bytes())
    row = dict(zip(head, first, strict=True))
    assert row["Age"] == "-5"
    assert row["When"] == "2030-01-02T01:30:00.500+05:30"
    assert (row["Day"], row["Crops"], row["Ok"]) == ("2030-01-01", '["w","q\\""]', "true")
    assert row["_received_at"] == "2030-01-01T05:30:01+05:30"
    assert set(second[head.index("Name") :]) == {""}


def test_excel_is_told_that_the_file_is_utf_8_unless_it_is_switched_off(tmp_path: Path) -> None:
    file(tmp_path, format="csv").deliver(batch(1, entry("a", 1, "नाम", 5)))
    file(tmp_path, format="csv", byte_order_mark=False, name="plain", integration_id=2).deliver(batch(1, entry("a", 1, "नाम", 5)))

    assert (tmp_path / "out" / "household.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    assert (tmp_path / "out" / "plain.csv").read_bytes().startswith(b"_position")


def test_names_instead_of_labels_above_the_columns(tmp_path: Path) -> None:
    file(tmp_path, format="csv", header="names").deliver(batch(1, entry("a", 1, "x", 5)))

    assert cells((tmp_path / "out" / "household.csv").read_bytes())[0][-2:] == ["q_name", "q_age"]


def test_preview_is_the_file_that_would_be_written_and_writes_nothing(tmp_path: Path) -> None:
    sent = batch(1, entry("a", 1, "=1", 5))
    for form in ("csv", "ndjson"):
        destination = file(tmp_path, format=form)
        shown = destination.preview(sent)
        assert not (tmp_path / "out").exists()
        destination.deliver(sent)
        assert (tmp_path / "out" / f"household.{form}").read_text("utf-8-sig") == shown
        for path in (tmp_path / "out").iterdir():
            path.unlink()
        (tmp_path / "out").rmdir()
        (tmp_path / "memory-1.sqlite").unlink()
    assert "q_name" in file(tmp_path).preview(sent)
