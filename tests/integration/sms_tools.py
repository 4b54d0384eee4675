"""What the tests of SMS receipts through the real core share. `python -m tests.integration.sms_tools ...` are workers to be killed."""

import os
import secrets
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy  # noqa: F401 - a delivery imports it late: once for all children
import phonenumbers  # noqa: F401 - a delivery imports it late: once for all children
import urllib3  # noqa: F401 - a delivery imports it late: once for all children
from sqlalchemy import text

from collect_pipelines.destinations.sms import Sms, SmsConfig
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.store.dead_letters import StoredDeadLetter, list_dead_letters
from collect_pipelines.store.forms import publish_form
from collect_pipelines.store.integrations import add_integration, integration_by_id
from collect_pipelines.store.journal import read_journal
from collect_pipelines.sync.context import DeliveryContext
from collect_pipelines.sync.delivery import endings
from collect_pipelines.sync.delivery.courier import Courier
from tests.contract.sms_desk import ASHA, VISIT
from tests.integration.sync_tools import Scene, submission

LEASE_SECONDS = 0.6  # what a killed worker held is free so soon


class Receipts(Scene):
    """A form whose respondents get an SMS."""

    def respond(self, *names: str, **phones: str) -> None:
        """A response per name, validated; those of `names` give one number."""
        given = dict.fromkeys(names, ASHA) | phones
        self.accept(*(submission(self.form_id, name, {"name": name, "phone": phone}) for name, phone in given.items()))
        self.validate()

    def deliver(self, kind: type[Sms] = Sms, **options: Any) -> str | None:
        """One micro-batch; how it ended."""
        courier = self.courier(kind, **options)
        try:
            report = courier.deliver(self.integration_id)
        finally:
            courier.close()
        return None if report is None else report.outcome

    def hurry(self) -> None:
        """Lets every wait be over, but those of the destination's own memory."""
        with self.database.begin() as connection:
            connection.execute(text("update collect.dead_letter set next_attempt_at = clock_timestamp() where state = 'waiting'"))
            connection.execute(text("update collect.integration set next_attempt_at = null"))
            connection.execute(text("delete from collect.integration_memory where name = 'pause'"))

    def letters(self) -> list[StoredDeadLetter]:
        with self.database.begin() as connection:
            return list_dead_letters(connection, self.form_id)

    def states(self, *keys: str) -> dict[str, str]:
        with self.database.begin() as connection:
            return {key: line.state for key, line in read_journal(connection, self.integration_id, keys).items()}


def receipts(database: Database, folder: Path, provider: Any, **settings: Any) -> Receipts:
    """A new form with its integration."""
    slug = f"visit-{secrets.token_hex(4)}"
    form = VISIT.model_copy(update={"form": slug})
    config = {"to": "phone", "template": "Thank you {name}", "cooldown_seconds": 0, "provider": provider, **settings}
    checked = SmsConfig.model_validate(config).model_dump(mode="json", exclude_defaults=True)
    with database.begin() as connection:
        form_id = publish_form(connection, "default", form).form_id
        made = add_integration(connection, form_id, f"{slug}-sms", "sms", checked)
    return Receipts(database, form_id, made.integration_id, folder / "data")


def at(moment: datetime) -> type[Sms]:
    """The kind, at a given time."""
    return type("SmsThen", (Sms,), {"clock": staticmethod(moment.timestamp)})


def now() -> datetime:
    return datetime.now(UTC)


# Workers to be killed.

MOMENTS = (
    "before note 1", "after note 1", "before guard 1", "after guard 1", "before send 1", "after send 1", "before note 2", "after note 2",
    "before note 3", "after send 2", "after note 4", "before settling", "after settling",
)  # fmt: skip
"""Of a delivery of two messages; note 1 and 3 are `sending`, 2 and 4 `sent`."""


def killed_at(url: str, folder: Path, integrations: list[int]) -> None:
    """One child per moment, each with an integration of its own: forked before any thread or connection exists here."""
    from collect_pipelines.destinations.sms.providers import twilio

    places: dict[str, tuple[Any, str]] = {
        "note": (DeliveryContext, "note"), "guard": (DeliveryContext, "guard"), "send": (twilio.Twilio, "send"),
        "settling": (endings, "close_batch"),
    }  # fmt: skip
    for moment, integration in zip(MOMENTS, integrations, strict=True):
        child = os.fork()
        if child == 0:
            when, name, *number = moment.split()
            owner, attribute = places[name]
            setattr(owner, attribute, _deadly(getattr(owner, attribute), when, int(number[0]) if number else 1))
            _courier(Database(url), folder, "killed").deliver(integration)
            os._exit(3)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, f"{moment}: it never came"


def work(url: str, folder: Path, integration: int, workers: int) -> None:
    """So many processes, forked like those above, each delivering until nothing is sent any more."""
    children = []
    for number in range(workers):
        children.append(os.fork())
        if children[-1] == 0:
            _deliver_all(url, folder, f"worker-{number}", integration)
            os._exit(0)
    ended = [os.waitpid(child, 0)[1] for child in children]
    assert not any(ended), f"{ended}: statuses of the workers"


def _deliver_all(url: str, folder: Path, owner: str, integration: int) -> None:
    database = Database(url)
    courier = _courier(database, folder, owner)
    idle = 0
    while idle < 20:
        report = courier.deliver(integration)
        idle = 0 if report is not None else idle + 1
        with database.begin() as connection:
            if integration_by_id(connection, integration).next_attempt_at is not None:
                break


def _courier(database: Database, folder: Path, owner: str) -> Courier:
    return Courier(database, Settings(data_dir=folder), owner, finder=lambda kind: Sms, lease_seconds=LEASE_SECONDS)


def _deadly(function: Callable[..., Any], when: str, number: int) -> Callable[..., Any]:
    calls = 0

    def call(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*args, **options)
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return call


if __name__ == "__main__":
    if sys.argv[1] == "killed":
        killed_at(sys.argv[2], Path(sys.argv[3]), [int(text) for text in sys.argv[4:]])
    else:
        work(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
