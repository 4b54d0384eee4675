"""The file destination: full disks, closed folders and hostile names end in words for a person, never in half a file."""

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from collect_pipelines.destinations.file import FileConfig
from collect_pipelines.destinations.file.naming import Part, data_name
from collect_pipelines.errors import Blocked, TryLater
from tests.contract.file_tools import answers, batch, entry, file

LAYOUTS = pytest.mark.parametrize("layout", ["single", "parts"])
FIRST = batch(1, entry("a", 1, "Asha", 30))
SECOND = batch(2, entry("b", 2, "Bo", 40))


def failing_writes(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """From now on the disk takes the first half of everything, then says this."""
    real = os.fdopen

    class Half:
        def __init__(self, descriptor: int, *rest: Any, **more: Any) -> None:
            self.file = real(descriptor, *rest, **more)
            self.taken = False

        def __enter__(self) -> "Half":
            return self

        def __exit__(self, *error: object) -> None:
            self.file.close()

        def write(self, content: memoryview) -> int:
            if self.taken:
                raise OSError(number, os.strerror(number))
            self.taken = True
            written: int = self.file.write(content[: len(content) // 2])
            return written

    monkeypatch.setattr(os, "fdopen", Half)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


@LAYOUTS
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_blocks_and_leaves_the_last_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str, number: int
) -> None:
    destination = file(tmp_path, layout=layout)
    destination.deliver(FIRST)
    target = tmp_path / "out" / ("household.parquet" if layout == "single" else "household")
    before = names(tmp_path / "out")

    with monkeypatch.context() as broken, pytest.raises(Blocked, match="no room left") as caught:
        failing_writes(broken, number)
        destination.deliver(SECOND)

    assert "Free space" in (caught.value.fix or "")
    assert names(tmp_path / "out") == before
    assert answers(target, "q_name") == {"a": "Asha"}

    destination.deliver(SECOND)
    assert answers(target, "q_name") == {"a": "Asha", "b": "Bo"}


@LAYOUTS
def test_a_disk_that_fails_for_a_moment_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str) -> None:
    with monkeypatch.context() as broken, pytest.raises(TryLater) as caught:
        failing_writes(broken, errno.EIO)
        file(tmp_path, layout=layout).deliver(FIRST)

    assert caught.value.unknown


@LAYOUTS
def test_a_folder_that_is_none_is_told(tmp_path: Path, layout: str) -> None:
    (tmp_path / "out").write_text("a file")

    for use in (file(tmp_path, layout=layout).probe, lambda: file(tmp_path, layout=layout).deliver(FIRST)):
        with pytest.raises(Blocked, match="can't be used") as caught:
            use()
        assert "`folder`" in (caught.value.fix or "")


def test_a_single_file_that_would_become_too_large_blocks_before_anything_is_written(tmp_path: Path) -> None:
    destination = file(tmp_path, format="ndjson", most_megabytes=1)
    destination.deliver(FIRST)
    before = (tmp_path / "out" / "household.ndjson").read_bytes()

    with pytest.raises(Blocked, match=r"would have \d+ MB; 1 MB are allowed") as caught:
        destination.deliver(batch(2, entry("b", 2, "x" * 2_000_000, 1)))

    assert "layout=parts" in (caught.value.fix or "")
    assert (tmp_path / "out" / "household.ndjson").read_bytes() == before


@LAYOUTS
def test_nobody_else_can_read_the_files(tmp_path: Path, layout: str) -> None:
    before = os.umask(0o000)
    try:
        file(tmp_path, layout=layout).deliver(FIRST)
    finally:
        os.umask(before)

    modes = {path.relative_to(tmp_path / "out").as_posix(): stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").rglob("*")}
    assert {mode for path, mode in modes.items() if (tmp_path / "out" / path).is_file()} == {0o600}
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) & 0o066 == 0


def test_the_group_may_read_the_files_when_it_is_said(tmp_path: Path) -> None:
    file(tmp_path, group_readable=True).deliver(FIRST)

    assert stat.S_IMODE((tmp_path / "out" / "household.parquet").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o750


def test_a_link_that_lies_where_a_file_is_written_is_replaced_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    destination = file(tmp_path, format="csv")
    destination.deliver(FIRST)
    for name in ("household.csv", ".household.csv.new", ".household.rows.new"):
        (tmp_path / "out" / name).unlink(missing_ok=True)
        (tmp_path / "out" / name).symlink_to(outside)

    destination.deliver(SECOND)

    assert outside.read_text() == "mine"
    assert not (tmp_path / "out" / "household.csv").is_symlink()


HOSTILE = ["../up", "a/b", "/etc/passwd", "..", ".", "", ".hidden", "a\x00b", "a\nb", "ä", "x" * 65, "a.csv", "~", "$(x)", "-rf"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_leads_nowhere_else(name: str) -> None:
    with pytest.raises(ValidationError):
        FileConfig(name=name)


@pytest.mark.parametrize("folder", ["../up", "a/../../b", "/tmp/../etc", "a\x00b"])
def test_a_folder_leads_upwards_nowhere(folder: str) -> None:
    with pytest.raises(ValidationError):
        FileConfig(folder=Path(folder))


@pytest.mark.parametrize("form", [*HOSTILE, "north.household", "../../x.household", "HOUSEHOLD", "\ud800"])
def test_the_name_made_of_a_form_is_harmless_whatever_the_form_is_called(form: str) -> None:
    name = data_name(form)

    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert 1 <= len(name) <= 64
    assert not name.startswith("-")


def test_forms_never_share_a_name() -> None:
    forms = ["household", "household-1b0d4e91", "north.household", "north-household", "north_household", "HOUSEHOLD", "../household"]

    assert len({data_name(form) for form in forms}) == len(forms)
    assert data_name("household") == "household"


def test_relative_folders_are_below_the_data_folder(tmp_path: Path) -> None:
    file(tmp_path, folder=Path("reports/2030")).deliver(FIRST)
    file(tmp_path, folder=None, integration_id=2).deliver(FIRST)

    assert (tmp_path / "reports" / "2030" / "household.parquet").is_file()
    assert (tmp_path / "files" / "household.parquet").is_file()


def test_the_name_of_a_part_tells_what_is_in_it() -> None:
    part = Part(4, 9, 1201, 1800, "csv")

    assert part.name == "part-000000004-000000009-p1201-p1800.csv"
    assert Part.of(part.name) == part
    assert Part.of("part-1.csv") is None


def test_what_killed_processes_left_half_written_is_removed(tmp_path: Path) -> None:
    for layout, place in (("single", tmp_path / "out"), ("parts", tmp_path / "out" / "household")):
        destination = file(tmp_path, layout=layout, integration_id=len(layout))
        destination.deliver(FIRST)
        left = place / (".household.csv.new" if layout == "single" else ".part-000000001-000000001-p1-p1.parquet.new")
        others = tmp_path / "out" / ".household-2.csv.new"
        left.write_bytes(b"half")
        others.write_bytes(b"of another integration that writes right now")

        destination.deliver(SECOND)

        assert not left.exists()
        assert others.exists()


def test_probe_tells_where_the_files_are_and_what_is_there(tmp_path: Path) -> None:
    destination = file(tmp_path, format="csv")
    assert "nothing is there yet" in destination.probe().summary

    destination.deliver(FIRST)
    report = destination.probe()

    assert report.facts["path"] == str(tmp_path / "out" / "household.csv")
    assert report.facts["files"] == 1
    assert [path.name for path in (tmp_path / "out").iterdir() if "probe" in path.name] == []
