"""Every code that blocks an integration or is a notice has a section in docs/problems.md, and no section is about nothing."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import collect_pipelines
from collect_pipelines.cli.problem_pages import known_problems, problems_page
from collect_pipelines.destinations.google_sheets import GoogleSheets
from collect_pipelines.destinations.google_sheets.wire import codes

ROOT = Path(collect_pipelines.__file__).parent
ROOM = ROOT / "destinations" / "google_sheets"
CODE = re.compile(r"google_sheets\.[a-z_]+")


def calls(name: str) -> Iterator[tuple[str, ast.Call]]:
    for path in sorted(ROOM.rglob("*.py")):
        if path.name == "consent.py":  # speaks to a person at a page, not for an integration
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_the_page_is_current() -> None:
    page = (ROOT.parent / "docs" / "problems.md").read_text("utf-8")

    assert page == problems_page(), "run `make docs`"


def test_whatever_blocks_a_sheet_has_a_code() -> None:
    unnamed = [place for place, call in calls("Blocked") if "problem" not in {keyword.arg for keyword in call.keywords}]

    assert unnamed == []


def test_every_code_that_is_written_down_is_explained() -> None:
    explained = {one.code for one in GoogleSheets.problems}
    written = {
        node.value
        for path in sorted(ROOT.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value)
    }

    assert written - explained == set()
    assert {getattr(codes, name) for name in codes.__all__ if name != "PROBLEMS"} == explained


@pytest.mark.parametrize("problem", known_problems(), ids=lambda one: one.code)
def test_each_section_says_what_to_do_and_what_goes_on(problem: object) -> None:
    told = [getattr(problem, name) for name in ("seen", "cause", "fix", "meanwhile")]

    assert all(told)
    assert not any("|" in text or "\n" in text for text in told)
