"""The reference pages say what the code says; `make docs` writes them."""

import subprocess
import sys
from pathlib import Path

from collect_pipelines.cli.reference import settings_page
from collect_pipelines.cli.root import COMMANDS
from collect_pipelines.settings import Settings, setting_name

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_of_commands_is_current() -> None:
    # In a process of its own: click keeps the help option of a command as it was first used, also without its parent.
    program = "from collect_pipelines.cli.reference import cli_page; print(cli_page(), end='')"
    written = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert (DOCS / "cli.md").read_text("utf-8") == written


def test_the_page_of_settings_is_current() -> None:
    assert (DOCS / "settings.md").read_text("utf-8") == settings_page()


def test_operations_names_only_commands_and_settings_that_exist() -> None:
    import re

    text = (DOCS / "operations.md").read_text("utf-8")
    named = set(re.findall(r"\bcollect ([a-z]+)", " ".join(re.findall(r"`([^`]+)`", text))))
    variables = set(re.findall(r"\bCOLLECT_[A-Z_]+\b", text))
    known = {setting_name(name) for name in Settings.__dataclass_fields__}

    assert named and named <= set(COMMANDS)
    assert variables and variables <= known
