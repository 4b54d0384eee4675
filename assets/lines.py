"""A line of the log per micro-batch, so that a run, an integration and its batches can be found by their ids."""

from collect_pipelines.sync.report import Report
from collect_pipelines.telemetry.logs import get_logger

__all__ = ["log_reports"]

log = get_logger(__name__)

TROUBLE = frozenset({"blocked", "parked", "failed"})


def log_reports(reports: list[Report], run_id: str) -> None:
    """Writes one line per report: numbers and names, never an answer (promise 10)."""
    for report in reports:
        write = log.warning if report.outcome in TROUBLE else log.info
        write(
            "batch",
            run_id=run_id,
            lane=report.lane,
            form=report.form,
            integration=report.integration,
            outcome=report.outcome,
            position=report.to_position,
            rows=report.rows,
            duration_ms=round(report.seconds * 1000, 1),
            msg=report.message,
        )
