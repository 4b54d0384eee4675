"""The package of a new plug-in, written from the files in `skeletons/`."""

import re
from dataclasses import dataclass
from pathlib import Path
from string import Template

from collect_pipelines.errors import Conflict, Invalid
from collect_pipelines.plugins import CHECKS, DESTINATIONS, installed

__all__ = ["Written", "write_check", "write_destination"]

SKELETONS = Path(__file__).with_name("skeletons")
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True, slots=True)
class Written:
    """What was written where."""

    folder: Path
    files: tuple[Path, ...]
    code: Path
    """The file that is to be edited first."""


@dataclass(frozen=True, slots=True)
class _Door:
    """What differs between the packages of the two doors."""

    name: str
    group: str
    code: str
    """The skeleton of the code."""
    example: str


CHECK = _Door("check", CHECKS, "check.py.txt", "postcode")
DESTINATION = _Door("destination", DESTINATIONS, "destination.py.txt", "mattermost")


def write_check(name: str, folder: Path | None = None) -> Written:
    """
    The package of a check; it can be installed and passes the conformance suite as it is.

    Raises Invalid for a name that can't be a kind, and Conflict when the kind or the folder's files exist.
    """
    return _write(CHECK, name, folder)


def write_destination(name: str, folder: Path | None = None) -> Written:
    """The same for a destination."""
    return _write(DESTINATION, name, folder)


def _write(door: _Door, name: str, folder: Path | None) -> Written:
    _refuse_bad(door, name)
    distribution = f"collect-{door.name}-{name.replace('_', '-')}"
    place = folder or Path(distribution)
    module = f"collect_{door.name}_{name}"
    class_name = "".join(part.capitalize() for part in name.split("_"))
    words = {"name": name, "distribution": distribution, "module": module, "class_name": class_name}
    files = {
        Path("pyproject.toml"): "pyproject.toml.txt",
        Path("README.md"): "README.md.txt",
        Path("src") / module / "__init__.py": door.code,
        Path("src") / module / "py.typed": None,
        Path("tests") / f"test_{name}.py": "test.py.txt",
    }
    present = [path for path in files if (place / path).exists()]
    if present:
        raise Conflict(f"{place / present[0]} exists already.", fix="Name another folder.")
    for path, skeleton in files.items():
        text = Template((SKELETONS / door.name / skeleton).read_text("utf-8")).substitute(words) if skeleton else ""
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text, "utf-8")
    return Written(place, tuple(files), place / "src" / module / "__init__.py")


def _refuse_bad(door: _Door, name: str) -> None:
    if not NAME.fullmatch(name):
        raise Invalid(
            f"{name!r} can't be the kind of a {door.name}.", fix=f"Use a-z, 0-9 and _, beginning with a letter; e.g. {door.example}."
        )
    taken = next((plugin for plugin in installed(door.group) if plugin.kind == name), None)
    if taken is not None:
        raise Conflict(f"The kind {name!r} is taken by {taken.distribution}.", fix="Choose another name, or uninstall that package.")
