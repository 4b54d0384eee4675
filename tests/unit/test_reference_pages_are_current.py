"""Every check and destination has a reference page that says what its class says; `make docs` writes them."""

import re
from pathlib import Path

from click.testing import CliRunner

from collect_pipelines.cli import collect
from collect_pipelines.cli.plugin_pages import reference_pages

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def test_the_reference_pages_are_current_and_there_is_none_of_a_kind_that_is_gone() -> None:
    there = {path.relative_to(REFERENCE).as_posix(): path.read_text("utf-8") for path in REFERENCE.rglob("*.md")}

    assert there == reference_pages(), "run `make docs`"


def test_every_setting_of_a_page_says_what_it_is_for() -> None:
    lines = [line for text in reference_pages().values() for line in text.splitlines() if line.startswith("| `")]

    assert len(lines) > 40
    assert [line for line in lines if re.search(r"\|\s*\|\s*$", line)] == []


def test_the_page_of_any_installed_kind_is_printed() -> None:
    printed = CliRunner().invoke(collect, ["plugins", "docs", "phone"])

    assert printed.exit_code == 0
    assert printed.stdout.strip() == (REFERENCE / "checks" / "phone.md").read_text("utf-8").strip()
    assert CliRunner().invoke(collect, ["plugins", "docs", "no_such_kind"]).exit_code == 4
