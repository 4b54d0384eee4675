"""What the tests of backfills, replays and failures share: an integration over a log, its ledger, and letters as a courier leaves them."""

import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from click.testing import CliRunner
from sqlalchemy import text

from collect_pipelines.cli.root import collect
from collect_pipelines.store.backfills import begin_backfill, settle_backfill
from collect_pipelines.store.batches import Counts
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import add_integration
from collect_pipelines.store.ledger import ledger
from collect_pipelines.sync.deliver import Courier
from collect_pipelines.sync.report import Report
from tests.integration.store_filling import fill
from tests.integration.store_tools import publish
from tests.integration.sync_tools import Scene, scene, submission

LETTER = """
insert into collect.dead_letter
    (integration_id, position, batch_no, response_id, revision, reason, state, "unknown", attempts, next_attempt_at)
values (:integration, :position, 1, :response, 1, :reason, :state, :unknown, :attempts,
    case when :state = 'waiting' then clock_timestamp() + interval '1 hour' end)
"""
BATCH = """
insert into collect.batch (integration_id, batch_no, from_position, to_position, form_version, digest, epoch, state, attempts, history,
    delivered, dead_lettered, behind, landed_at)
values (:integration, 1, 1, :entries, 1, 'd', 1, 'landed', 2,
    '[{"at": "2030-01-01T10:00:00+00:00", "outcome": "postponed", "error": "The receiver said 503.", "seconds": 0.2}]',
    :entries - :open - :waiting, :open, :waiting, clock_timestamp())
"""
MOVED = """
update collect.integration set cursor = :entries, delivered = :entries - :open - :waiting, dead_lettered = :open, behind = :waiting
where integration_id = :integration
"""


APPEND = """
with moved as (update collect.form set head = head + 1 where form_id = :form returning head)
insert into collect.response (form_id, position, response_id, revision, operation, version, received_at, source, content_hash, answers)
select :form, head, cast(:response as text), :revision, :operation, 1, clock_timestamp(), 'test', sha256('x'),
    jsonb_build_object('name', cast(:response as text))
from moved
"""


def append(database: Database, form_id: int, response_id: str, revision: int, operation: str) -> None:
    """One more entry of the log, without the writer: quick, and right enough for readers."""
    with database.begin() as connection:
        values = {"form": form_id, "response": response_id, "revision": revision, "operation": operation}
        connection.execute(text(APPEND), values)


class Old:
    """A form with a log of validated entries r-1, r-2, ... and one integration."""

    def __init__(self, database: Database, entries: int, start: Literal["all", "now"] = "now", kind: str = "shelf") -> None:
        self.database, self.entries = database, entries
        self.form = f"form-{secrets.token_hex(4)}"
        (self.form_id,) = publish(database, self.form)
        self.name = f"{self.form}-{kind}"
        with database.begin() as connection:
            fill(connection, self.form_id, entries)
            connection.execute(text("update collect.form set validated_through = head where form_id = :form"), {"form": self.form_id})
            self.id = add_integration(connection, self.form_id, self.name, kind, {}, start=start).integration_id

    def counted(self) -> dict[str, int]:
        """The ledger's numbers that are not zero; proves that they add up (promise 4)."""
        with self.database.begin() as connection:
            (line,) = ledger(connection, self.form_id)
        parts = {name: getattr(line, name) for name in ("delivered", "filtered", "quarantined", "dead_lettered", "erased", "pending")}
        assert line.accepted == sum(parts.values())
        return {name: number for name, number in parts.items() if number}

    def begin(self, first: int = 1, through: int | None = None) -> int:
        with self.database.begin() as connection:
            made = begin_backfill(connection, self.id, first, through)
        assert made is not None
        return made.backfill_id

    def settle(self, backfill_id: int, through: int, **counts: int) -> None:
        with self.database.begin() as connection:
            settle_backfill(connection, backfill_id, through, Counts(**counts), 0.5)

    def deliver_except(self, *, opened: dict[int, str], waiting: dict[int, str], unknown: int | None = None) -> None:
        """Everything is delivered by one batch, but for letters with these reasons; one of them may have arrived."""
        numbers = {"integration": self.id, "entries": self.entries, "open": len(opened), "waiting": len(waiting)}
        with self.database.begin() as connection:
            connection.execute(text(BATCH), numbers)
            connection.execute(text(MOVED), numbers)
            for state, letters in (("open", opened), ("waiting", waiting)):
                for position, reason in letters.items():
                    values = {"integration": self.id, "position": position, "response": f"r-{position}", "reason": reason, "state": state}
                    connection.execute(text(LETTER), {**values, "unknown": position == unknown, "attempts": 3})

    def scalar(self, statement: str, **values: Any) -> Any:
        with self.database.begin() as connection:
            return connection.execute(text(statement), {"integration": self.id, **values}).scalar()


class Commands:
    """The command line on a database."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self._environment = {"COLLECT_DATABASE_URL": database_url, "COLLECT_DATA_DIR": str(folder)}

    def __call__(self, *words: str, code: int = 0) -> Any:
        told = CliRunner().invoke(collect, words, env=self._environment)
        assert told.exit_code == code, f"{told.stdout}\n{told.stderr}"
        return told

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self(*words, "--json", code=code).stdout)


def late(database: Database, folder: Path, *names: str, held: Sequence[int] = (), **config: Any) -> Scene:
    """A form whose log has a response per name, and an integration that began after them."""
    it = scene(database, folder, kind="shelf-before")
    it.accept(*(submission(it.form_id, name, {"name": name}) for name in names))
    it.validate(*held)
    slug = f"late-{secrets.token_hex(4)}"
    path = folder / f"{slug}.sqlite"
    with database.begin() as connection:
        connection.execute(text("delete from collect.integration where integration_id = :it"), {"it": it.integration_id})
        made = add_integration(connection, it.form_id, slug, "shelf", config or {"path": str(path)}, start="now")
    return Scene(database, it.form_id, made.integration_id, path)


def drain(courier: Courier, it: Scene) -> list[Report]:
    """Every batch there is, one after the other."""
    reports = []
    while (report := courier.deliver(it.integration_id)) is not None:
        reports.append(report)
    return reports
