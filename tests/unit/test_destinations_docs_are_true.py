"""docs/destinations.md says what the code does: its destination and its suite are real, and every member and setting exists."""

import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from collect_pipelines import plugins
from collect_pipelines.destinations.interface import Context, Destination, Outcome
from collect_pipelines.testing import DestinationConformance
from tests.unit import broken_destinations

PAGE = (Path(__file__).parents[2] / "docs" / "destinations.md").read_text("utf-8")
MODULE = "collect_destination_drop"
REQUIREMENTS = [name for name in dir(DestinationConformance) if name.startswith("test_")]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The suite of the page, for the destination of the page."""
    code, test = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    folder = tmp_path_factory.mktemp("page")
    (folder / f"{MODULE}.py").write_text(code)
    sys.path.insert(0, str(folder))
    module = types.ModuleType("test_page")
    exec(compile(test, "docs/destinations.md", "exec"), module.__dict__)
    module.TestDrop.installed = False
    yield module.TestDrop
    module.TestDrop.teardown_class()
    sys.path.remove(str(folder))
    del sys.modules[MODULE]


@pytest.mark.parametrize("requirement", REQUIREMENTS)
def test_the_destination_of_the_page_meets_every_requirement(suite: Any, requirement: str) -> None:
    getattr(suite(), requirement)()


def test_every_member_of_the_tables_exists_and_none_is_missing() -> None:
    class_part = PAGE.partition("### What the class says")[2].partition("### What a batch is")[0]
    named = set(re.findall(r"`(\w+)(?:\(|`)", "".join(line.split("|")[1] for line in class_part.splitlines() if line.startswith("| `"))))
    known = {name for name in [*vars(Destination), *Destination.__annotations__] if not name.startswith("_")}
    lent_part = PAGE.partition("### What the core lends it")[2].partition("For HTTP")[0]
    lent = set(re.findall(r"`(\w+)\(", "".join(line.split("|")[1] for line in lent_part.splitlines() if line.startswith("| `"))))

    assert named == known
    assert lent == {name for name in vars(Context) if not name.startswith("_")}
    for state in ("delivered", "skipped", "refused", "unknown", "later"):
        assert f"`Outcome.{state}(" in PAGE and hasattr(Outcome, state)


def test_every_setting_of_a_suite_is_on_the_page() -> None:
    part = PAGE.partition("| a suite says |")[2].partition("If the class has")[0]
    named = set(re.findall(r"`(\w+)(?:\(world|`)", "".join(line.split("|")[1] for line in part.splitlines() if line.startswith("| `"))))

    assert {name for name in named if not hasattr(DestinationConformance, name)} == {"destination"}


def test_every_kind_of_our_own_is_on_the_page() -> None:
    kinds = {plugin.kind for plugin in plugins.installed(plugins.DESTINATIONS) if plugin.distribution == plugins.OWN_DISTRIBUTION}

    assert {kind for kind in kinds if f"[{kind}](destinations/{kind}.md)" not in PAGE} == set()


def test_the_number_of_broken_destinations_is_true() -> None:
    broken = [
        made for made in vars(broken_destinations).values()
        if isinstance(made, type) and issubclass(made, Destination) and made.__module__ == broken_destinations.__name__
    ]  # fmt: skip

    assert len(broken) == 41 and "Forty-one broken destinations" in PAGE
