"""Who changed what."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from collect_pipelines.store.tables import audit

__all__ = ["record_audit"]


def record_audit(connection: Connection, actor: str, action: str, subject: str, detail: Mapping[str, Any] | None = None) -> None:
    """Keeps one line: `action` is a dotted verb (`form.publish`), `detail` holds no secret and no answer."""
    connection.execute(audit.insert().values(actor=actor, action=action, subject=subject, detail=dict(detail or {})))
