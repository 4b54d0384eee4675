"""One running installation for the acceptance tests of a file: it ends with them, so that the rest of the suite has the machine."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.fresh import Environment, fresh_environment
from tests.acceptance.stack import Stack


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder the embedded Postgres may pass through, unlike pytest's own."""
    place = Path(tempfile.mkdtemp(prefix="collect-acceptance-"))
    place.chmod(0o711)
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def environment(folder: Path, database_url: str) -> Environment:
    """A fresh Python environment with an installation."""
    return fresh_environment(folder, database_url)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """`collect up`, everything ready."""
    place = Path(tempfile.mkdtemp(prefix="collect-acceptance-"))
    place.chmod(0o711)
    running = Stack(place)
    try:
        running.start()
        yield running
    finally:
        if running.process is not None and running.process.poll() is None:
            running.stop()
        shutil.rmtree(place, ignore_errors=True)
