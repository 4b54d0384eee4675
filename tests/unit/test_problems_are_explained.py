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
from collect_pipelines.destinations.google_sheets.wire.problems import Explainer, foreign, ids_repeat
from collect_pipelines.errors import Blocked

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


ANSWERS = {
    "api_disabled": (403, {"message": "Sheets API has not been used.", "details": [{"reason": "SERVICE_DISABLED"}]}),
    "scopes": (403, {"message": "Insufficient scopes.", "details": [{"reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}),
    "storage_quota": (403, {"message": "Full.", "errors": [{"domain": "usageLimits", "reason": "storageQuotaExceeded"}]}),
    "reconnect_needed": (401, {"message": "Invalid credentials."}),
    "file_full": (400, {"message": "This action would increase the number of cells in the workbook above the limit of 10000000 cells."}),
    "protected_range": (400, {"message": "You are trying to edit a protected cell or object. Please contact the owner."}),
    "tab_deleted": (400, {"message": "Invalid requests[1].appendCells: No grid with id: 7"}),
    "not_shared": (403, {"message": "The caller does not have permission"}),
    "not_found": (404, {"message": "Requested entity was not found."}),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_google_says_has_its_code(name: str) -> None:
    status, error = ANSWERS[name]
    problem = Explainer("sheet-1", "robot@example.org", "service_account").answer(status, {"error": error}, "write", could_read=False)

    assert isinstance(problem, Blocked)
    assert problem.problem == f"google_sheets.{name}"


def test_what_is_no_google_has_its_code_too() -> None:
    explainer = Explainer("sheet-1", "robot@example.org", "service_account")
    told = (explainer.answer(404, None, "read", could_read=False), foreign(), ids_repeat())

    assert [one.problem for one in told if isinstance(one, Blocked)] == [
        "google_sheets.not_an_api",
        "google_sheets.foreign_marks",
        "google_sheets.ids_repeat",
    ]
