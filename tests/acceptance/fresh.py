"""A fresh Python environment into which a stranger's plug-in is installed, and an installation that runs in it."""

import json
import subprocess
import sysconfig
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collect_pipelines.local.ports import free_port
from tests.acceptance.stack import CLEAN_ENVIRONMENT, ROOT, answers, eventually

__all__ = ["Environment", "fresh_environment", "ingest_of", "traces"]


@dataclass(frozen=True)
class Environment:
    """A fresh Python environment that sees what this one has installed, and what is installed into it besides."""

    folder: Path
    settings: dict[str, str]

    @property
    def python(self) -> Path:
        return self.folder / "environment" / "bin" / "python"

    def run(self, *arguments: str) -> str:
        """What the program printed to standard output; its end must be good."""
        done = subprocess.run(
            [str(self.python), *arguments], cwd=self.folder, env=CLEAN_ENVIRONMENT | self.settings, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{arguments} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def collect(self, *arguments: str) -> Any:
        """The JSON that a command prints."""
        return json.loads(self.run("-m", "collect_pipelines.cli", *arguments, "--json"))


def fresh_environment(folder: Path, database_url: str) -> Environment:
    """Made in the folder; it uses the database."""
    place = folder / "environment"
    venv.EnvBuilder(symlinks=True).create(place)
    (packages,) = place.glob("lib/python*/site-packages")
    # An `import` line is run when the environment starts: unlike a bare path it follows editable installs, too.
    (packages / "beside.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    settings = {
        "COLLECT_DATABASE_URL": database_url,
        "COLLECT_DATA_DIR": str(folder / "data"),
        "COLLECT_INGEST_PORT": str(free_port()),
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    return Environment(folder, settings)


@contextmanager
def ingest_of(environment: Environment) -> Iterator[str]:
    """The ingest server of the environment; its address."""
    address = f"http://127.0.0.1:{environment.settings['COLLECT_INGEST_PORT']}"
    log = environment.folder / "ingest.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(environment.python), "-m", "collect_pipelines.cli", "serve", "ingest"],
            cwd=environment.folder, env=CLEAN_ENVIRONMENT | environment.settings, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        eventually(lambda: answers(f"{address}/readyz"), 60, log.read_text)
        yield address
    finally:
        process.terminate()
        assert process.wait(30) == 0


def traces(kind: str) -> list[str]:
    """
    Files of the project that git sees as changed or new and that name the new kind, or know of it inside; tests left out.

    Not the whole `git status`: somebody may be at work in this checkout while the test runs.
    """
    status = subprocess.run(["git", "-C", str(ROOT), "status", "--porcelain", "-uall"], capture_output=True, text=True, check=True).stdout
    changed = {line[3:] for line in status.splitlines() if not line[3:].startswith("tests/")}
    paths = {path: ROOT / path for path in changed}
    return [path for path, file in paths.items() if kind in path or (file.is_file() and kind.encode() in file.read_bytes())]
