"""docs/google-connect.md names commands, options, settings and sentences that there are."""

import re
from pathlib import Path

import click

from collect_pipelines.cli.connections import command
from collect_pipelines.destinations.google_sheets.account.consent import ASKED
from collect_pipelines.settings import Settings, setting_name

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/google-connect.md").read_text("utf-8")
WORDED = ("ingest/google_connect/steps.py", "destinations/google_sheets", "store/secret_texts.py", "store/connections.py")


def test_every_command_and_option_is_one() -> None:
    found = re.findall(r"collect connections ([a-z-]+)([^\n`]*)", PAGE)

    assert {name for name, _ in found} == set(command.commands)
    for name, rest in found:
        used: click.Command = command.commands[name]
        if isinstance(used, click.Group):
            used = used.commands[rest.split()[0]]
        assert set(re.findall(r"--[a-z-]+", rest)) <= {option for one in used.params for option in one.opts}


def test_every_setting_is_one() -> None:
    known = {setting_name(field) for field in Settings.__dataclass_fields__}

    assert set(re.findall(r"COLLECT_[A-Z_]+", PAGE)) <= known


def test_every_right_that_is_asked_for_is_explained() -> None:
    named = [scope.rpartition("/")[2] for scope in ASKED]

    assert re.findall(r"^\| `([a-z. ]+)` \| to ", PAGE, re.MULTILINE) == [*named[:2], " ".join(named[2:])]


def test_every_sentence_people_may_see_is_said_somewhere() -> None:
    room = ROOT / "collect_pipelines"
    files = [path for place in WORDED for path in ([room / place] if place.endswith(".py") else (room / place).rglob("*.py"))]
    said = "".join(path.read_text("utf-8") for path in files)
    quoted = [
        text.removesuffix(" ...") for text in re.findall(r'^\| ("[^|]+") \|', PAGE, re.MULTILINE) for text in re.findall(r'"([^"]+)"', text)
    ]

    assert [text for text in quoted if text not in said] == []
    assert len(quoted) > 8
