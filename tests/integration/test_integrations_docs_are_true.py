"""docs/integrations.md: every command is run, every option and field is named, and the preview is what is printed."""

import re
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest

from collect_pipelines.cli.integrations import command
from collect_pipelines.cli.mapping_options import mapping_options
from collect_pipelines.destinations.interface import OnDelete
from collect_pipelines.forms.columns import Mask
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import find_form
from collect_pipelines.sync.mapping.masks import LAST4_TYPES, YEAR_TYPES
from collect_pipelines.sync.mapping.model import MappingConfig
from tests.integration.sync_tools import accept, submission, validate
from tests.integration.test_cli_main_paths import Collect

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "integrations.md").read_text("utf-8")
BLOCK = re.compile(r"^```(sh|yaml|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RESPONSES: dict[str, dict[str, Any]] = {
    "r1": {"name": "Asha", "phone": "+919845012345", "age": 34, "state": "mh"},
    "r2": {"name": "Ravi", "age": 12, "state": "ka"},
    "r3": {"name": "Mira", "state": "mh"},
}


@pytest.fixture
def installation(tmp_path: Path, database_url: str) -> Collect:
    run = Collect(tmp_path, database_url)
    (form,) = (content for kind, content in BLOCK.findall(PAGE) if kind == "yaml")
    (tmp_path / "household.yaml").write_text(form)
    run("forms", "publish", str(tmp_path / "household.yaml"))
    database = Database(database_url)
    with database.begin() as connection:
        form_id = find_form(connection, "household").form_id
    moment = datetime(2026, 1, 31, 4, tzinfo=UTC)
    accept(database, [replace(submission(form_id, name, answers), submitted_at=moment) for name, answers in RESPONSES.items()])
    validate(database, form_id)
    database.dispose()
    return run


def test_every_command_of_the_page_works_and_prints_what_the_page_shows(installation: Collect) -> None:
    shown, told = [], None
    for kind, content in BLOCK.findall(PAGE):
        if kind == "text":
            assert told is not None
            shown.append((content.splitlines(), told))
        for line in content.splitlines() if kind == "sh" else ():
            program, *words = shlex.split(line)
            assert program == "collect"
            told = installation(*words)
    ((wanted, printed),) = shown

    assert wanted == [line.rstrip() for line in f"{printed.stdout}{printed.stderr}".splitlines()]


def test_every_option_and_every_field_is_on_the_page() -> None:
    options = {name for option in mapping_options(lambda: None).__click_params__ for name in (*option.opts, *option.secondary_opts)}  # type: ignore[attr-defined]

    assert options - set(re.findall(r"--[a-z-]+", PAGE)) == set()
    for field in MappingConfig.model_fields:
        assert f"`{field}" in PAGE, field
    assert {"set", "add", "preview", "test", "pause", "resume", "remove", "show", "kinds"} <= set(command.commands)


def test_the_tables_of_masks_and_deletions_say_what_the_code_does() -> None:
    masks = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| ([a-z0-9, ]+) \|$", PAGE, re.MULTILINE))

    assert {mask for mask in get_args(Mask) if mask in masks} == set(get_args(Mask))
    assert set(masks["last4"].split(", ")) == LAST4_TYPES
    assert set(masks["year"].split(", ")) == YEAR_TYPES
    deletions = set(re.findall(r"^\| `(\w+)` \| [^|]+ \|$", PAGE, re.MULTILINE))
    assert set(get_args(OnDelete)) <= deletions
