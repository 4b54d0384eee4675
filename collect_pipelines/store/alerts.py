"""Alerts: one open line per kind and subject, however often the trouble is seen."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert

from collect_pipelines.store.tables import alert

__all__ = ["Alert", "list_alerts", "mark_notified", "open_alerts", "record_alert", "resolve_alert"]


@dataclass(frozen=True, slots=True)
class Alert:
    """One trouble; open until `resolved_at`."""

    alert_id: int
    kind: str
    subject: str
    message: str
    fix: str | None
    opened_at: datetime
    last_seen_at: datetime
    notified_at: datetime | None
    resolved_at: datetime | None


def record_alert(connection: Connection, kind: str, subject: str, message: str, fix: str | None = None) -> bool:
    """Opens the alert, or notes that it is still so. True when it is new."""
    values = {"message": message, "fix": fix, "last_seen_at": func.clock_timestamp()}
    statement: Any = (
        insert(alert)
        .values(kind=kind, subject=subject, **values)
        .on_conflict_do_update(index_elements=["kind", "subject"], index_where=alert.c.resolved_at.is_(None), set_=values)
        # Postgres leaves xmax empty in a row that this statement inserted.
        .returning(literal_column("xmax = 0"))
    )
    return bool(connection.execute(statement).scalar_one())


def open_alerts(connection: Connection) -> list[Alert]:
    """The alerts not resolved yet, oldest first."""
    query = select(alert).where(alert.c.resolved_at.is_(None)).order_by(alert.c.alert_id)
    return [Alert(**row._mapping) for row in connection.execute(query)]


def list_alerts(connection: Connection, limit: int = 100) -> list[Alert]:
    """The newest alerts first, resolved ones included."""
    return [Alert(**row._mapping) for row in connection.execute(select(alert).order_by(alert.c.alert_id.desc()).limit(limit))]


def mark_notified(connection: Connection, alert_id: int) -> None:
    """Notes that people were told of it."""
    connection.execute(update(alert).where(alert.c.alert_id == alert_id).values(notified_at=func.clock_timestamp()))


def resolve_alert(connection: Connection, kind: str, subject: str) -> bool:
    """Ends the alert. True when one was open."""
    open_one = update(alert).where(alert.c.kind == kind, alert.c.subject == subject, alert.c.resolved_at.is_(None))
    return connection.execute(open_one.values(resolved_at=func.clock_timestamp())).rowcount > 0
