"""What journals know of effects outside that can't be undone, e.g. SMS: part of the story of a response."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["effect_steps", "read_effects"]


def read_effects(connection: "Connection", form_id: int, response_id: str, revision: int) -> list[dict[str, Any]]:
    """The lines about this revision, of every integration of the form."""
    from collect_pipelines.store.journal import journal_of

    return [
        {
            "integration": one.integration,
            "kind": one.kind,
            "state": one.line.state,
            "reference": one.line.reference,
            "detail": {name: value for name, value in one.line.detail.items() if name != "digest"},
            "noted_at": one.line.created_at,
            "changed_at": one.line.updated_at,
        }
        for one in journal_of(connection, form_id, response_id, revision)
        if one.line.detail.get("revision") == revision
    ]


def effect_steps(effects: Iterable[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """Lines of a story."""
    return [(one["changed_at"], one["integration"], f"{one['kind']} {one['state']}", _details(one)) for one in effects]


def _details(one: Mapping[str, Any]) -> str:
    detail = one["detail"]
    segments = detail.get("segments")
    parts = [
        f"{segments} segment{'' if segments == 1 else 's'}" if segments else "",
        f"message {one['reference']}" if one["reference"] else "",
        str(detail.get("reason") or ""),
        f"code {detail['code']}" if detail.get("code") else "",
    ]
    return ", ".join(part for part in parts if part)
