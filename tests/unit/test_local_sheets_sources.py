"""Every rule of the local Sheets server names where it comes from, and a test that shows it."""

import re
from pathlib import Path

import pytest

from collect_pipelines.local.sheets import limits

ROOT = Path(__file__).parents[2]
SERVER = ROOT / "collect_pipelines" / "local" / "sheets"
GUIDE = (ROOT / "docs" / "local-sheets.md").read_text()
RULES = re.findall(r"^\| (.+?) \| (.+?) \| `(test_local_sheets_\w+\.py)` \|$", GUIDE, re.MULTILINE)
MARK = re.compile(r"\[(L1|L2|L3|R|\?)\]|\[U\]`? \w[\w.-]*/[\w.-]+#\d+|reference/|guides/|limits|answer \d+|documentation")


@pytest.mark.parametrize(("rule", "source", "test"), RULES, ids=[rule for rule, _, _ in RULES])
def test_a_rule_has_a_source_and_a_test(rule: str, source: str, test: str) -> None:
    assert MARK.search(source), f"{rule}: {source} is no source"
    assert (ROOT / "tests" / "contract" / test).exists()


def test_every_limit_says_where_it_comes_from() -> None:
    lines = (SERVER / "limits.py").read_text().splitlines()
    values = [line for line in lines if re.match(r"( {4}\w+: int|[A-Z_]+) = ", line)]

    silent = [line for line in values if not re.search(r"MARK|\[|answer \d+|developers\.google\.com|guides/|ours|server starts", line)]
    assert len(values) > 10
    assert all(line.strip().startswith("reads_per_") or line.strip().startswith("writes_per_project") for line in silent), silent
    assert limits.Limits().cells == 10_000_000


def test_no_rule_leans_on_words_that_name_no_source() -> None:
    for path in SERVER.glob("*.py"):
        assert not re.search(r"observed live|reported by users|\(recorded\)", path.read_text()), path.name
