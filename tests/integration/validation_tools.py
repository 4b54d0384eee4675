"""What the tests of rules over many responses share: a form with rules, and its log judged a step at a time."""

import os
import secrets
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from sqlalchemy import text

from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.model import Operation, Submission
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import publish_form
from collect_pipelines.store.validation import Quarantined, list_quarantined
from collect_pipelines.sync import validate as validate_module
from collect_pipelines.sync.report import Report
from collect_pipelines.sync.validate import validate_pending
from collect_pipelines.validation.gate import Gate, Verdict, shared_gate
from collect_pipelines.validation.verdict import BatchStatistic
from collect_pipelines.validation.whole import Whole
from tests.integration.sync_tools import accept, submission

QUESTIONS: list[dict[str, Any]] = [
    {"key": "phone", "type": "phone", "label": "Phone"},
    {"key": "income", "type": "integer", "label": "Income"},
    {"key": "savings", "type": "integer", "label": "Savings"},
    {"key": "crop", "type": "select_one", "label": "Crop", "choices": [{"code": "w", "label": "Wheat"}, {"code": "r", "label": "Rice"}]},
]
UNIQUE = {"name": "phone_once", "unique": ["phone"]}


@dataclass
class Log:
    """A form and its log."""

    database: Database
    slug: str
    form_id: int
    version: int = 1
    waiting: list[Submission] = field(default_factory=list)

    def publish(self, *rules: dict[str, Any], questions: list[dict[str, Any]] | None = None) -> None:
        """A new version of the form."""
        with self.database.begin() as connection:
            self.version = publish_form(connection, "default", definition(self.slug, rules, questions)).version

    def send(
        self,
        response_id: str,
        answers: dict[str, Any] | None = None,
        operation: Operation = "create",
        replaces: int | None = None,
        version: int | None = None,
    ) -> None:
        """One entry, as the newest version unless told otherwise. It is in the log by the next validation: many at once cost little."""
        self.waiting.append(submission(self.form_id, response_id, answers or {}, operation, replaces, version or self.version))

    def send_many(self, *answers: dict[str, Any]) -> None:
        """A response with an id of its own for each."""
        for one in answers:
            self.send(secrets.token_hex(8), one)

    def flush(self) -> None:
        """Puts what was sent into the log."""
        if self.waiting:
            accepted = accept(self.database, self.waiting)
            assert {one.outcome for one in accepted} == {"accepted"}, accepted
            self.waiting.clear()

    def validate(self, **options: Any) -> Report:
        """One micro-batch."""
        self.flush()
        report = validate_pending(self.database, shared_gate(), self.form_id, "worker", **options)
        assert report is not None and report.outcome == "validated", report
        return report

    def validate_all(self, max_rows: int) -> None:
        """Micro-batches of so many entries, until all is judged."""
        while self.validate(max_rows=max_rows).full:
            pass

    @property
    def held(self) -> list[Quarantined]:
        with self.database.begin() as connection:
            return list_quarantined(connection, self.form_id)

    @property
    def held_ids(self) -> list[str]:
        return [f"{entry.response_id}@{entry.revision}" for entry in self.held]

    def rows(self, table: str, columns: str = "*") -> list[Any]:
        with self.database.begin() as connection:
            query = text(f"select {columns} from collect.{table} where form_id = :form order by 1")
            return list(connection.execute(query, {"form": self.form_id}).fetchall())


def definition(slug: str, rules: tuple[dict[str, Any], ...], questions: list[dict[str, Any]] | None = None) -> FormDefinition:
    return FormDefinition.model_validate({"form": slug, "title": slug, "questions": questions or QUESTIONS, "rules": list(rules)})


def log(database: Database, *rules: dict[str, Any]) -> Log:
    """A new form."""
    slug = f"form-{secrets.token_hex(4)}"
    with database.begin() as connection:
        form_id = publish_form(connection, "default", definition(slug, rules)).form_id
    return Log(database, slug, form_id)


class PlainGate(Gate):
    """Judges as the rules say, without Great Expectations: importing it costs seconds, and here it is the writing that matters."""

    def warm_up(self) -> None:
        pass

    def validate(self, definition: FormDefinition, frame: pl.DataFrame) -> Verdict:
        return Verdict([], ())

    def weigh(self, whole: Whole) -> Verdict:
        failures = [(row, (whole.finding(rule, row),)) for rule, rows in whole.failing().items() for row in rows]
        of_batch = [BatchStatistic(f"rule.{rule}", one.passed, "flag", one.sentence) for rule, one in whole.measures().items()]
        return Verdict(failures, (), of_batch=tuple(of_batch))


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at_every_moment(url: str, form_ids: list[int]) -> None:
    """Judges each form in a child that is killed: before anything is written, with everything written and nothing committed."""
    record, settle = validate_module.Many.record, validate_module.settle_validation
    moments: list[Callable[[], None]] = [
        lambda: setattr(validate_module.Many, "record", die),
        lambda: setattr(validate_module.Many, "record", lambda *given: (record(*given), die())),
        lambda: setattr(validate_module, "settle_validation", lambda *given: (settle(*given), die())),
    ]
    for arrange, form_id in zip(moments, form_ids, strict=True):
        child = os.fork()  # before polars has a thread here
        if child == 0:
            arrange()
            validate_pending(Database(url), PlainGate(), form_id, "killed", lease_seconds=0.2)
            os._exit(3)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, "the moment never came"


if __name__ == "__main__":
    at_every_moment(sys.argv[1], [int(number) for number in sys.argv[2:]])
