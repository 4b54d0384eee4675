"""What became of one entry of a log in every integration: the batches that held it, and every attempt of each."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from collect_pipelines.store.integrations import Integration
    from collect_pipelines.store.traces import BatchTrace

__all__ = ["DOUBTFUL", "delivery_steps", "read_deliveries"]

DOUBTFUL = "may have been delivered"
TRIED = {"postponed": "try later", "unknown": "no clear answer"}  # other outcomes of an attempt are said as they are


def read_deliveries(connection: "Connection", form_id: int, position: int, *, held: bool) -> list[dict[str, Any]]:
    """Every batch that covers the entry, by integration; a line without one for an integration that has not sent it, or never will."""
    from collect_pipelines.store.integrations import list_integrations
    from collect_pipelines.store.traces import batches_of

    traces = batches_of(connection, form_id, position)
    found = [asdict(one) | {"outcome": _outcome(one, held)} for one in traces]
    settled = {one.integration_id for one in traces if one.state != "replaced"}
    for one in list_integrations(connection, form_id):
        if one.integration_id not in settled:
            facts = {"integration_id": one.integration_id, "integration": one.name, "kind": one.kind, "batch_no": None, "state": one.state}
            found.append(facts | {"error": one.reason} | _without_batch(connection, one, position))
    return sorted(found, key=lambda one: one["integration_id"])


def delivery_steps(deliveries: Iterable[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Lines of a story: when, where, what, and the details; every attempt that failed, then how its batch ended."""
    steps: list[tuple[Any, ...]] = []
    for one in deliveries:
        if one["batch_no"] is None:
            why = f": {one['error']}" if one["error"] else ""
            steps.append((None, one["integration"], one["outcome"], f"{one['details']}{why}"))
            continue
        failed = [tried for tried in one["history"] if tried["error"] is not None and tried["outcome"] != "landed"]
        steps += [_attempt(one, tried) for tried in failed]
        steps.append(_ending(one))
    return steps


def _outcome(one: "BatchTrace", held: bool) -> str:
    if one.fate is not None:
        return one.fate
    if held:
        return "quarantined"  # the batch counts the entry and leaves it out
    if not one.sent:
        return "filtered"
    if one.state == "landed" and one.filtered:
        # The batch counts, it does not list: which of its entries it left out is known only when it was all of them.
        return "filtered" if one.filtered == one.entries else "landed"
    names = {"landed": "delivered", "parked": "dead-lettered", "planned": "waiting", "sending": "on its way", "replaced": "planned anew"}
    return names[one.state]


def _without_batch(connection: "Connection", one: "Integration", position: int) -> dict[str, str]:
    from collect_pipelines.store.backfill_records import list_backfills, owed, unsent

    if position > one.cursor:
        return {"outcome": "waiting", "details": "in no batch yet" if one.state == "active" else f"the integration is {one.state}"}
    for backfill in list_backfills(connection, one.integration_id, unfinished=True):
        if any(first <= position <= last for first, last in owed(connection, backfill)) and backfill.purpose == "backfill":
            return {"outcome": "waiting", "details": f"in backfill {backfill.backfill_id}, which is {backfill.state}"}
    if any(first <= position <= last for first, last in unsent(connection, one.integration_id)):
        return {"outcome": "filtered", "details": "accepted before the integration was added"}
    return {"outcome": "filtered", "details": "the backfill left it out: a newer revision had taken its place"}


def _attempt(one: dict[str, Any], tried: dict[str, Any]) -> tuple[Any, ...]:
    return tried["at"], one["integration"], TRIED.get(tried["outcome"], tried["outcome"]), f"{_named(one)}: {tried['error']}"


def _ending(one: dict[str, Any]) -> tuple[Any, ...]:
    attempts = f"{one['attempts']} attempt{'s' if one['attempts'] != 1 else ''}"
    details = f"{_named(one)}, {attempts}"
    if not one["sent"]:
        details = f"{_named(one)} left it out: a newer revision had taken its place"
    elif one["outcome"] == "landed":
        details += f": of {one['entries']} entries it delivered {one['delivered']} and left out {one['filtered']}"
    if one["unknown"]:
        details += f", {DOUBTFUL}"
    why = one["reason"] or one["error"]
    if one["letter"] == "waiting" and one["next_attempt_at"] is not None:
        why = f"{why}; tried again at {one['next_attempt_at']:%Y-%m-%d %H:%M:%S} UTC"
    return (
        one["landed_at"] or one["last_attempt_at"] or one["planned_at"],
        one["integration"],
        one["outcome"],
        f"{details}: {why}" if why else details,
    )


def _named(one: dict[str, Any]) -> str:
    number = f" {one['backfill_id']}" if one["backfill_id"] is not None else ""
    return f"batch {one['batch_no']}" if one["purpose"] == "live" else f"batch {one['batch_no']} ({one['purpose']}{number})"
