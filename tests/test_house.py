"""The house holds: imports point down, importing is light, the wheel is the library and nothing else."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest

import assets
import collect_pipelines
from collect_pipelines.cli.root import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("collect_pipelines", "resources", "assets")

# Rooms of the library by floor; a room may import what lies below it.
FLOORS = {
    "errors": 0, "model": 0,
    "settings": 1, "plugins": 1, "telemetry": 1, "rules": 1,
    "forms": 2,
    "store": 3, "validation": 3, "destinations": 3, "checks": 3,
    "sync": 4, "ingest": 4,
    "local": 5, "testing": 5, "project": 5, "cli": 6,
    "resources": 7, "assets": 8,
}  # fmt: skip
STRANGERS = ("store", "validation", "destinations", "checks")  # meet in sync and ingest only

# The one room that may import each of these; everyone else asks that room.
LANDLORDS = {
    "great_expectations": "collect_pipelines/validation/",
    "gspread": "collect_pipelines/destinations/google_sheets/",
    "dlt": "collect_pipelines/destinations/warehouse/",
    "urllib3": "collect_pipelines/destinations/",
    "apprise": "collect_pipelines/destinations/",
    "asyncpg": "collect_pipelines/store/",
    "alembic": "collect_pipelines/store/",
    "cel_expr_python": "collect_pipelines/rules/",
    "ahocorasick_rs": "collect_pipelines/checks/",
    "email_validator": "collect_pipelines/checks/",
    "pyxform": "collect_pipelines/forms/",
    "openpyxl": "collect_pipelines/forms/",
}

HEAVY = (
    "dagster",
    "great_expectations",
    "dlt",
    "gspread",
    "polars",
    "pandas",
    "sqlalchemy",
    "psycopg",
    "duckdb",
    "pyarrow",
    "pydantic",
    "urllib3",
    "apprise",
    "cel_expr_python",
    "pyxform",
    "phonenumbers",
)


def modules(*packages: str) -> Iterator[Path]:
    for package in packages:
        yield from sorted((ROOT / package).rglob("*.py"))


@dataclass(frozen=True, slots=True)
class Source:
    """What these tests want to know of a file; it is parsed once for all of them."""

    imports: tuple[tuple[int, str], ...]
    """Line and dotted name of each, those inside functions included."""
    says_what_it_is: bool
    defines_names: bool
    lists_names: bool


@cache
def source(path: Path) -> Source:
    tree = ast.parse(path.read_text("utf-8"))
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return Source(
        tuple(_imports(path, tree)),
        bool(ast.get_docstring(tree)),
        any(isinstance(node, definitions) and not node.name.startswith("_") for node in tree.body),
        any(
            isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets)
            for node in tree.body
        ),
    )


def imports(path: Path) -> tuple[tuple[int, str], ...]:
    return source(path).imports


def _imports(path: Path, tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} is a relative import: write the whole name"
            # `from collect_pipelines.store import migrations` imports collect_pipelines.store.migrations
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def room(dotted: str) -> str | None:
    parts = dotted.split(".")
    if parts[0] == "collect_pipelines":
        return parts[1] if len(parts) > 1 and parts[1] in FLOORS else None
    return parts[0] if parts[0] in ("resources", "assets") else None


def home(path: Path) -> str | None:
    return room(".".join(path.relative_to(ROOT).with_suffix("").parts))


def place(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def is_roof(path: Path) -> bool:
    return path == ROOT / "assets" / "definitions.py"


def test_imports_only_point_down() -> None:
    broken = []
    for path in modules(*PACKAGES):
        own = home(path)
        for line, name in imports(path):
            other = room(name)
            if own is None or other is None or other == own:
                continue
            if FLOORS[other] > FLOORS[own]:
                broken.append(f"{place(path, line)} imports {name}, which lives on a higher floor")
            elif own in STRANGERS and other in STRANGERS:
                broken.append(f"{place(path, line)} imports {name}: {own} and {other} meet in sync and ingest only")
            elif {own, other} == {"sync", "ingest"}:
                broken.append(f"{place(path, line)} imports {name}: neither of the two needs the other")

    assert broken == []


def test_the_library_never_imports_dagster() -> None:
    # `startswith` takes in dagster_postgres and its like.
    broken = [
        f"{place(path, line)} imports {name}"
        for path in modules("collect_pipelines")
        for line, name in imports(path)
        if name.startswith("dagster")
    ]

    assert broken == []


def test_every_heavy_or_foreign_library_has_one_room_that_speaks_to_it() -> None:
    broken = [
        f"{place(path, line)} imports {name}: only {LANDLORDS[name.split('.')[0]]} does"
        for path in modules(*PACKAGES)
        if path.name != "testing.py"  # fakes for tests drive a server through its usual client
        for line, name in imports(path)
        if (landlord := LANDLORDS.get(name.split(".")[0])) and not path.relative_to(ROOT).as_posix().startswith(landlord)
    ]

    assert broken == []


def test_nobody_imports_the_roof() -> None:
    broken = [place(path, line) for path in modules(*PACKAGES) for line, name in imports(path) if name.startswith("assets.definitions")]

    assert broken == []


def test_annotations_are_never_postponed() -> None:
    # Dagster reads the annotations of ops and assets; `from __future__ import annotations` turns them into text.
    broken = [place(path, line) for path in modules(*PACKAGES, "tests") for line, name in imports(path) if name == "__future__.annotations"]

    assert broken == []


def test_every_module_says_what_it_is() -> None:
    silent = [str(path.relative_to(ROOT)) for path in modules(*PACKAGES) if not source(path).says_what_it_is]

    assert silent == []


def test_every_public_module_of_the_library_lists_its_names() -> None:
    programs = ("__main__.py", "guard.py")  # run by path, imported by nobody
    scripts = ROOT / "collect_pipelines" / "store" / "alembic"
    public = [path for path in modules("collect_pipelines") if path.name not in programs and scripts not in path.parents]
    found = [str(path.relative_to(ROOT)) for path in public if source(path).defines_names and not source(path).lists_names]

    assert found == []


def loaded_after(code: str) -> set[str]:
    """Top-level names of everything loaded after a fresh interpreter ran the code."""
    program = (
        f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\nprint('\\n'.join({{name.partition('.')[0] for name in sys.modules}}))"
    )
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(told.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import collect_pipelines",
        "import collect_pipelines.errors, collect_pipelines.model, collect_pipelines.settings, collect_pipelines.plugins",
        "import collect_pipelines.cli",
        "from collect_pipelines.cli import collect; collect.main(['--help'])",
        "from collect_pipelines.cli import collect; collect.main(['forms', '--help'])",
        "from collect_pipelines.cli import collect; collect.main(['send', '--help'])",
    ],
)
def test_importing_and_help_are_light(code: str) -> None:
    assert loaded_after(code) & set(HEAVY) == set()


def test_the_list_of_commands_says_what_each_command_says_itself() -> None:
    told = {name: (command.load().help or "").strip().split("\n\n")[0].replace("\n", " ") for name, command in COMMANDS.items()}

    assert told == {name: command.summary for name, command in COMMANDS.items()}


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            assert found is not None
            yield from commands(found, f"{name} {child}")


def test_every_command_and_every_option_explains_itself() -> None:
    silent = []
    for name, lazy in COMMANDS.items():
        for full_name, command in commands(lazy.load(), name):
            if not command.help:
                silent.append(full_name)
            silent += [
                f"{full_name} {parameter.opts[0]}"
                for parameter in command.params
                if isinstance(parameter, click.Option) and not parameter.help
            ]

    assert silent == []


def test_the_installed_entry_points_are_those_of_this_checkout() -> None:
    # They are read from installed metadata: after adding one, run `make clean install`.
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    ours = {group: dict(points) for group, points in project["entry-points"].items()} | {"console_scripts": dict(project["scripts"])}
    there = {
        group: {point.name: point.value for point in entry_points(group=group) if point.dist and point.dist.name == project["name"]}
        for group in ours
    }

    assert there == ours


def test_the_graph_tested_is_the_one_of_this_checkout() -> None:
    assert assets.__file__ is not None and collect_pipelines.__file__ is not None
    assert Path(assets.__file__).is_relative_to(ROOT)
    assert Path(collect_pipelines.__file__).is_relative_to(ROOT)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names in the wheel built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    uv = Path(sys.executable).with_name("uv")
    program = str(uv) if uv.exists() else "uv"
    subprocess.run([program, "build", "--wheel", "--quiet", "--out-dir", str(folder), str(ROOT)], check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(built).namelist())


def test_the_wheel_holds_the_library_and_nothing_else(wheel: set[str]) -> None:
    tops = {name.partition("/")[0] for name in wheel if ".dist-info/" not in name}

    assert tops == {"collect_pipelines"}


def test_the_wheel_holds_everything_the_library_reads(wheel: set[str]) -> None:
    ignored = {".pyc"}
    there = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "collect_pipelines").rglob("*")
        if path.is_file() and path.suffix not in ignored
    }

    assert sorted(there - wheel) == []
    assert any(name.startswith("collect_pipelines/store/alembic/versions/") and name.endswith(".py") for name in wheel)


def test_every_promise_is_cited_where_it_is_enforced_and_shown_by_a_test_that_exists() -> None:
    page = ROOT / "docs" / "promises.md"
    cited = {int(number) for path in modules(*PACKAGES) for number in re.findall(r"Promise (\d+)", path.read_text())}
    shown = re.findall(r"\]\((\.\./tests/[^)]+)\)", page.read_text())

    assert cited == {int(number) for number in re.findall(r"^\| (\d+) \|", page.read_text(), re.MULTILINE)}
    assert [link for link in shown if not (page.parent / link).is_file()] == []
    assert shown
