"""The file destination: one row per response in one whole file, or every revision in parts that read as one row per response."""

import re
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from collect_pipelines.destinations.file import parts as parts_module
from collect_pipelines.errors import Blocked, LeaseLost, TryLater
from tests.contract.file_tools import AGE, NAME, answers, batch, column, entry, file, queried

FORMATS = ("parquet", "csv", "ndjson")
LAYOUTS = ("single", "parts")
every_format = pytest.mark.parametrize("form", FORMATS)
both_layouts = pytest.mark.parametrize("layout", LAYOUTS)


def target(folder: Path, layout: str, form: str, out: str = "out") -> Path:
    return folder / out / (f"household.{form}" if layout == "single" else "household")


def names(form: str) -> tuple[str, str]:
    return ("Name", "Age") if form == "csv" else ("q_name", "q_age")


@every_format
@both_layouts
def test_a_new_response_an_edit_and_a_deletion_leave_the_newest_revision(tmp_path: Path, form: str, layout: str) -> None:
    destination = file(tmp_path, format=form, layout=layout)

    destination.deliver(batch(1, entry("a", 1, "Asha", 30), entry("b", 2, "Bo", 40), entry("c", 3, "Chand", 50)))
    destination.deliver(batch(2, entry("b", 4, "Bo!", 41, revision=2), entry("c", 5, revision=2, operation="delete")))

    assert answers(target(tmp_path, layout, form), *names(form)) == {"a": ("Asha", 30), "b": ("Bo!", 41)}


@every_format
@both_layouts
def test_the_same_batch_again_changes_nothing(tmp_path: Path, form: str, layout: str) -> None:
    destination = file(tmp_path, format=form, layout=layout)
    sent = batch(1, entry("a", 1, "Asha", 30), entry("b", 2, "Bo", 40))
    destination.deliver(sent)
    before = {path.name: path.read_bytes() for path in target(tmp_path, layout, form).parent.rglob("*") if path.is_file()}

    destination.deliver(sent)
    file(tmp_path, format=form, layout=layout).deliver(sent)

    assert {path.name: path.read_bytes() for path in target(tmp_path, layout, form).parent.rglob("*") if path.is_file()} == before


@every_format
@both_layouts
def test_an_older_revision_never_takes_the_place_of_a_newer_one(tmp_path: Path, form: str, layout: str) -> None:
    destination = file(tmp_path, format=form, layout=layout)
    destination.deliver(batch(1, entry("a", 5, "new", 2, revision=2), entry("d", 6, revision=2, operation="delete")))

    destination.deliver(batch(2, entry("a", 1, "old", 1), entry("d", 2, "old", 1), entry("e", 3, "other", 3)))

    assert answers(target(tmp_path, layout, form), names(form)[0]) == {"a": "new", "e": "other"}


@every_format
@both_layouts
def test_entries_that_come_again_in_other_pieces_are_there_once(tmp_path: Path, form: str, layout: str) -> None:
    destination = file(tmp_path, format=form, layout=layout)
    destination.deliver(batch(1, *(entry(f"r{number}", number, "first", number) for number in range(1, 9))))

    destination.deliver(batch(2, *(entry(f"r{number}", number, "again", number) for number in range(3, 6))))

    rows = queried(target(tmp_path, layout, form), "select * from {source} order by _position")
    assert [row["_position"] for row in rows] == list(range(1, 9))
    assert [row[names(form)[0]] for row in rows] == ["first"] * 2 + ["again"] * 3 + ["first"] * 3


@every_format
@both_layouts
def test_a_new_question_is_a_new_column_that_is_empty_in_older_rows(tmp_path: Path, form: str, layout: str) -> None:
    destination = file(tmp_path, format=form, layout=layout)
    destination.deliver(batch(1, entry("a", 1, "Asha", 30)))

    destination.deliver(batch(2, entry("b", 2, "Bo", 40, "wheat"), columns=(NAME, AGE, column("crop"))))
    destination.deliver(batch(3, entry("c", 3, 50), columns=(AGE,)))

    crop = "Crop" if form == "csv" else "q_crop"
    assert answers(target(tmp_path, layout, form), *names(form), crop) == {
        "a": ("Asha", 30, None),
        "b": ("Bo", 40, "wheat"),
        "c": (None, 50, None),
    }


@both_layouts
def test_a_deletion_takes_the_answers_out_of_every_file(tmp_path: Path, layout: str) -> None:
    for form in FORMATS:
        destination = file(tmp_path / form, format=form, layout=layout)
        destination.deliver(batch(1, entry("a", 1, "Canary", 30), entry("=b", 2, "Canary", 40), entry("c", 3, "Chand", 50)))
        destination.deliver(batch(2, entry("a", 4, "Canary2", 41, revision=2)))
        destination.deliver(batch(3, entry("a", 5, revision=3, operation="delete"), entry("=b", 6, revision=2, operation="delete")))

        left = b"".join(path.read_bytes() for path in (tmp_path / form / "out").rglob("*") if path.is_file())
        assert answers(target(tmp_path / form, layout, form), names(form)[0]) == {"c": "Chand"}
        assert b"Canary" not in left


@every_format
@both_layouts
def test_a_tombstone_says_that_a_response_was_deleted(tmp_path: Path, form: str, layout: str) -> None:
    destination = file(tmp_path, format=form, layout=layout)
    destination.deliver(batch(1, entry("a", 1, "Asha", 30), on_delete="tombstone"))
    destination.deliver(batch(2, entry("a", 2, revision=2, operation="delete"), on_delete="tombstone"))

    (row,) = queried(target(tmp_path, layout, form))
    assert (row["_operation"], row[names(form)[0]]) == ("delete", None)


@every_format
@both_layouts
def test_append_only_keeps_a_row_per_revision(tmp_path: Path, form: str, layout: str) -> None:
    destination = file(tmp_path, format=form, layout=layout)
    destination.deliver(batch(1, entry("a", 1, "one", 1), entry("a", 2, "two", 2, revision=2), append_only=True))
    sent = batch(2, entry("a", 3, revision=3, operation="delete"), entry("b", 4, "b", 1), append_only=True)
    destination.deliver(sent)
    destination.deliver(sent)

    rows = queried(target(tmp_path, layout, form), "select * from {source} order by _position")
    assert [(row["_response_id"], row["_revision"], row[names(form)[0]]) for row in rows] == [
        ("a", 1, "one"),
        ("a", 2, "two"),
        ("a", 3, None),
        ("b", 1, "b"),
    ]


def test_rows_stay_in_the_order_in_which_responses_came(tmp_path: Path) -> None:
    destination = file(tmp_path, format="csv")
    destination.deliver(batch(1, entry("c", 1, "c"), entry("a", 2, "a"), entry("b", 3, "b")))
    destination.deliver(batch(2, entry("c", 4, "c2", revision=2), entry("d", 5, "d")))

    assert pl.read_csv(tmp_path / "out" / "household.csv")["Name"].to_list() == ["c2", "a", "b", "d"]


def test_a_column_that_changes_its_type_becomes_text(tmp_path: Path) -> None:
    codes, labels = column("yes", "boolean"), column("yes", "boolean")
    many = column("many", "select_multiple")
    destination = file(tmp_path)
    destination.deliver(batch(1, entry("a", 1, True, ["x", "y"]), columns=(codes, many)))
    destination.deliver(
        batch(2, entry("b", 2, "Ja", "X; Y"), columns=(labels, many), types={"boolean": pl.String, "select_multiple": pl.String})
    )

    assert answers(tmp_path / "out" / "household.parquet", "q_yes", "q_many") == {"a": ("true", "x; y"), "b": ("Ja", "X; Y")}


@every_format
def test_many_small_parts_become_one_with_the_same_rows(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_module, "MANY_SMALL", 6)
    destination = file(tmp_path, format=form, layout="parts")
    for number in range(1, 20):
        destination.deliver(batch(number, entry(f"r{number:03}", number, f"n{number}", number)))

    parts = sorted(path.name for path in (tmp_path / "out" / "household").glob("part-*"))
    assert len(parts) < 10
    assert answers(tmp_path / "out" / "household", names(form)[1]) == {f"r{number:03}": number for number in range(1, 20)}


def test_parts_that_were_merged_already_are_removed_after_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_module, "MANY_SMALL", 6)
    destination = file(tmp_path, format="ndjson", layout="parts")
    folder = tmp_path / "out" / "household"
    kept: dict[str, bytes] = {}
    for number in range(1, 9):
        destination.deliver(batch(number, entry(f"r{number:03}", number, f"n{number}", number)))
        kept |= {path.name: path.read_bytes() for path in folder.glob("part-*")}
    # as if the process had been killed between writing the merged part and removing the others
    for name, content in kept.items():
        (folder / name).write_bytes(content)

    destination.deliver(batch(9, entry("r009", 9, "n", 9)))

    rows = queried(folder, "select * from {source}")
    assert sorted(row["_position"] for row in rows) == list(range(1, 10))


def test_csv_parts_keep_their_headings_when_a_label_changes(tmp_path: Path) -> None:
    destination = file(tmp_path, format="csv", layout="parts")
    destination.deliver(batch(1, entry("a", 1, "Asha", 1)))
    destination.deliver(batch(2, entry("b", 2, "Bo", 2), columns=(column("name", label="नाम"), AGE)))

    assert answers(tmp_path / "out" / "household", "Name") == {"a": "Asha", "b": "Bo"}


def test_a_single_csv_shows_the_labels_of_today(tmp_path: Path) -> None:
    destination = file(tmp_path, format="csv")
    destination.deliver(batch(1, entry("a", 1, "Asha", 1)))
    destination.deliver(batch(2, entry("b", 2, "Bo", 2), columns=(column("name", label="नाम"), AGE)))

    assert answers(tmp_path / "out" / "household.csv", "नाम") == {"a": "Asha", "b": "Bo"}


@both_layouts
def test_two_processes_never_write_at_once(tmp_path: Path, layout: str) -> None:
    first, second = file(tmp_path, layout=layout), file(tmp_path, layout=layout)
    first.deliver(batch(1, entry("a", 1, "Asha", 1)))
    folder = first._folder()

    with folder.alone("household"), pytest.raises(TryLater, match="Another process is writing"):
        second.deliver(batch(2, entry("b", 2, "Bo", 2)))

    second.deliver(batch(2, entry("b", 2, "Bo", 2)))
    assert set(answers(target(tmp_path, layout, "parquet"), "q_name")) == {"a", "b"}


@both_layouts
def test_a_worker_that_lost_its_lease_writes_nothing(tmp_path: Path, layout: str) -> None:
    destination = file(tmp_path, layout=layout)
    destination.deliver(batch(1, entry("a", 1, "Asha", 1)))
    destination.context.core.take_over()  # type: ignore[attr-defined]

    with pytest.raises(LeaseLost):
        destination.deliver(batch(2, entry("b", 2, "Bo", 2)))

    assert answers(target(tmp_path, layout, "parquet"), "q_name") == {"a": "Asha"}


@both_layouts
def test_two_integrations_never_share_a_file(tmp_path: Path, layout: str) -> None:
    file(tmp_path, layout=layout).deliver(batch(1, entry("a", 1, "Asha", 1)))
    other = file(tmp_path, layout=layout, integration_id=2)

    for use in (other.probe, lambda: other.deliver(batch(1, entry("x", 1, "X", 1)))):
        with pytest.raises(Blocked, match="belongs to another integration"):
            use()

    file(tmp_path, layout=layout, integration_id=2, name="household-2").deliver(batch(1, entry("x", 1, "X", 1)))
    assert answers(target(tmp_path, layout, "parquet"), "q_name") == {"a": "Asha"}


@both_layouts
@pytest.mark.parametrize("change", ["folder", "name", "layout", "nothing is mounted"])
def test_a_place_without_what_was_written_before_is_not_begun_anew_in_silence(tmp_path: Path, layout: str, change: str) -> None:
    file(tmp_path, layout=layout).deliver(batch(1, entry("a", 1, "Asha", 1)))
    config: dict[str, Any] = {"layout": layout}
    if change == "nothing is mounted":
        (tmp_path / "out").rename(tmp_path / "elsewhere")
    else:
        other = {"folder": tmp_path / "empty", "name": "other", "layout": "parts" if layout == "single" else "single"}
        config[change] = other[change]
    moved = file(tmp_path, **config)

    for use in (moved.probe, lambda: moved.deliver(batch(2, entry("b", 2, "Bo", 2)))):
        with pytest.raises(Blocked, match="What this integration wrote before is not in") as caught:
            use()
        assert "as they were" in (caught.value.fix or "")


@both_layouts
def test_files_that_were_moved_with_what_is_hidden_are_continued(tmp_path: Path, layout: str) -> None:
    file(tmp_path, layout=layout).deliver(batch(1, entry("a", 1, "Asha", 1)))
    (tmp_path / "out").rename(tmp_path / "moved")

    file(tmp_path, layout=layout, folder=tmp_path / "moved").deliver(batch(2, entry("b", 2, "Bo", 2)))
    assert answers(target(tmp_path, layout, "parquet", "moved"), "q_name") == {"a": "Asha", "b": "Bo"}


def test_a_deletion_also_leaves_parts_of_an_earlier_format(tmp_path: Path) -> None:
    for number, format in enumerate(("parquet", "csv", "ndjson"), start=1):
        file(tmp_path, layout="parts", format=format).deliver(batch(number, entry(f"r{number}", number, "Canary", 1)))
    gone = [entry(f"r{number}", 3 + number, None, None, revision=2, operation="delete") for number in (1, 2, 3)]
    file(tmp_path, layout="parts").deliver(batch(4, *gone))

    left = [path for path in (tmp_path / "out" / "household").iterdir() if b"Canary" in path.read_bytes()]
    assert left == []


def test_a_file_of_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "household.csv").write_text("mine")

    with pytest.raises(Blocked, match="was not written by this integration"):
        file(tmp_path, format="csv").deliver(batch(1, entry("a", 1, "Asha", 1)))

    assert (tmp_path / "out" / "household.csv").read_text() == "mine"


@pytest.mark.parametrize("harm", ["gone", "older", "broken"])
def test_rows_that_were_lost_are_never_left_out_in_silence(tmp_path: Path, harm: str) -> None:
    destination = file(tmp_path)
    destination.deliver(batch(1, entry("a", 1, "Asha", 1)))
    state = tmp_path / "out" / ".household.rows"
    first = state.read_bytes()
    destination.deliver(batch(2, entry("b", 2, "Bo", 2)))
    if harm == "gone":
        state.unlink()
    else:
        state.write_bytes(first if harm == "older" else b"broken")

    with pytest.raises(Blocked, match=r"\.household\.rows"):
        destination.deliver(batch(3, entry("c", 3, "Chand", 3)))

    assert set(answers(tmp_path / "out" / "household.parquet", "q_name")) == {"a", "b"}


def test_the_file_that_people_read_may_be_removed_at_any_time(tmp_path: Path) -> None:
    destination = file(tmp_path, format="csv")
    destination.deliver(batch(1, entry("a", 1, "Asha", 1)))
    (tmp_path / "out" / "household.csv").unlink()

    destination.deliver(batch(2, entry("b", 2, "Bo", 2)))

    assert set(answers(tmp_path / "out" / "household.csv", "Name")) == {"a", "b"}


def documented(language: str) -> list[str]:
    page = Path(__file__).parents[2] / "docs" / "destinations" / "file.md"
    return re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


def test_parts_are_read_as_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    destination = file(tmp_path, layout="parts")
    destination.deliver(batch(1, entry("a", 1, "Asha", 30), entry("b", 2, "Bo", 40)))
    destination.deliver(batch(2, entry("b", 3, "Bo!", 41, "wheat", revision=2), columns=(NAME, AGE, column("crop")), on_delete="tombstone"))
    destination.deliver(batch(3, entry("a", 4, revision=2, operation="delete"), on_delete="tombstone"))
    monkeypatch.chdir(tmp_path / "out")
    newest, every = documented("sql")
    (python,) = documented("python")

    assert [(row["_response_id"], row["q_name"], row["q_crop"]) for row in duckdb.sql(newest).pl().to_dicts()] == [("b", "Bo!", "wheat")]
    assert sorted(duckdb.sql(every).pl()["_position"].to_list()) == [1, 2, 3, 4]
    told: dict[str, pl.DataFrame] = {}
    exec(python, told)
    assert told["newest"]["q_name"].to_list() == ["Bo!"]
