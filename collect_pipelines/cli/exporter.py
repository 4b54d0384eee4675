"""The pipeline's metrics as a process of its own, so that they are told also while every worker is dead."""

from dataclasses import fields

from prometheus_client import CollectorRegistry, start_http_server

from collect_pipelines.errors import PortTaken
from collect_pipelines.local.signals import StopSignals
from collect_pipelines.model import Ledger
from collect_pipelines.settings import Settings, setting_name
from collect_pipelines.store.database import Database
from collect_pipelines.store.ledger import batch_totals, ledger
from collect_pipelines.store.profiles import batch_warnings
from collect_pipelines.store.quota import quota_states
from collect_pipelines.store.reconciliations import Reconciliation, newest_reconciliations
from collect_pipelines.store.validation import held_by_rule
from collect_pipelines.telemetry.pipeline_metrics import BatchTotals, ComparedRows, PipelineCollector, QuotaLevel, RuleCount

__all__ = ["collector", "export"]

SCRAPE_SECONDS = 10.0  # Prometheus gives up after as long; a slow query must not outlive the scrape that asked
IDLE_SECONDS = 3600.0


def collector(database: Database) -> PipelineCollector:
    """The metrics of this database; each scrape reads it anew."""

    def ledgers() -> list[Ledger]:
        with database.begin() as connection:
            return ledger(connection)

    def batches() -> list[BatchTotals]:
        with database.begin() as connection:
            return [BatchTotals(**row) for row in batch_totals(connection)]

    def quotas() -> list[QuotaLevel]:
        with database.begin() as connection:
            return [QuotaLevel(**{name.name: getattr(one, name.name) for name in fields(QuotaLevel)}) for one in quota_states(connection)]

    def rules() -> list[RuleCount]:
        with database.begin() as connection:
            broken = [RuleCount(form, rule) for form, found in batch_warnings(connection).items() for rule in found]
            return [RuleCount(*held) for held in held_by_rule(connection)] + broken

    def comparisons() -> list[ComparedRows]:
        with database.begin() as connection:
            return [_compared(one) for one in newest_reconciliations(connection)]

    return PipelineCollector(ledgers, batches, quotas, rules, comparisons)


def _compared(one: Reconciliation) -> ComparedRows:
    ended = one.finished_at or one.started_at
    missing = {"missing": one.missing - one.respected, "respected": one.respected}
    wrong = {**missing, "duplicated": one.duplicated, "strange": one.strange, "stale": one.stale}
    return ComparedRows(one.form, one.integration, one.kind, ended.timestamp(), None if one.state == "failed" else wrong)


def export(settings: Settings, database_url: str) -> None:
    """Serves /metrics until SIGTERM or Ctrl-C. Raises PortTaken."""
    database = Database(database_url, pool_size=2, statement_timeout_seconds=SCRAPE_SECONDS)
    registry = CollectorRegistry()
    registry.register(collector(database))
    try:
        server, thread = start_http_server(settings.metrics_port, settings.host, registry)
    except OSError as exc:
        name = setting_name("metrics_port")
        raise PortTaken(
            f"The metrics exporter can't bind port {settings.metrics_port} on {settings.host}: {exc.strerror or exc}.",
            fix=f"Stop the process that uses it, or set {name} to another port.",
        ) from exc
    with StopSignals() as stop:
        while not stop.wait(IDLE_SECONDS):
            continue
    server.shutdown()
    thread.join()
    server.server_close()
    database.dispose()
