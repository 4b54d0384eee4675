"""One small world per scenario: a folder, a receiver, and what the core keeps."""

import secrets
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from collect_pipelines.destinations.interface import Outcome
from collect_pipelines.settings import Settings, setting_text
from collect_pipelines.testing.destinations.context import Core, FileContext
from collect_pipelines.testing.destinations.effects import Account
from collect_pipelines.testing.destinations.log import SampleLog
from collect_pipelines.testing.destinations.stand_in import Reply, Request, StandIn

__all__ = ["World"]


class World:
    """Where a scenario takes place. `close` removes all of it."""

    def __init__(self, log: SampleLog, answer: "Callable[[World, Request], Reply]") -> None:
        self._place = Path(tempfile.mkdtemp(prefix="conformance-"))
        self.folder = self._place / "files"
        """For whatever the destination keeps in files; the default `effects` look in here."""
        self.folder.mkdir()
        self.state: dict[str, Any] = {}
        """For a receiver of your own (`answer`): what it holds."""
        self.log = log
        self.account = Account(log)
        self.secrets: dict[str, str] = {}
        self.settings: dict[str, str] = _settings(self._place)
        self.outcomes: Sequence[Outcome] = ()
        """Those of the last delivery."""
        self.opted_out: frozenset[str] = frozenset()
        self._answer = answer
        self._stand_in: StandIn | None = None

    @property
    def stand_in(self) -> StandIn:
        """A receiver on HTTP; started when it is asked for."""
        if self._stand_in is None:
            self._stand_in = StandIn(lambda request: self._answer(self, request))
        return self._stand_in

    @property
    def has_stand_in(self) -> bool:
        """Whether anybody asked for it."""
        return self._stand_in is not None

    @property
    def address(self) -> str:
        """Its base address, `http://127.0.0.1:PORT`."""
        return self.stand_in.address

    def secret(self, name: str, value: str | None = None) -> str:
        """A reference to a secret, for a field of the configuration. Its value, unless given, is like no other text."""
        reference = f"stored:{name}"
        self.secrets.setdefault(reference, value or f"s3cr3t-{secrets.token_hex(8)}")
        return reference

    def core(self) -> Core:
        """What contexts of this world lend."""
        file = self._place / "core.sqlite"
        return Core(file, dict(self.secrets), dict(self.settings), self.opted_out, form=self.log.reference)

    def context(self, step: Callable[[str], None] | None = None) -> FileContext:
        """The context of a new worker, who has the lease as long as nobody takes over."""
        return FileContext(self.core(), step)

    def place(self, name: str) -> Path:
        """A file for the suite's own use."""
        return self._place / name

    def spoil_files(self) -> None:
        """Nothing in the folder can be reached any more: a file stands in its place."""
        shutil.rmtree(self.folder)
        self.folder.write_text("not a folder")

    def close(self) -> None:
        """Ends the receiver and removes the folder."""
        if self._stand_in is not None:
            self._stand_in.close()
        shutil.rmtree(self._place, ignore_errors=True)


def _settings(folder: Path) -> dict[str, str]:
    """The settings of an installation whose data folder is this, as a context lends them."""
    settings = Settings(data_dir=folder)
    lent = {spec.name: getattr(settings, spec.name) for spec in fields(Settings) if not spec.metadata["secret"]}
    texts = {name: "" if value is None else setting_text(value) for name, value in lent.items()}
    return texts | {"warehouse_path": str(settings.duckdb_path)}
