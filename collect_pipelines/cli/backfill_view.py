"""How backfills and replays are shown: what to expect, how far they are, and a bar while one watches."""

import time
from typing import TYPE_CHECKING, Any

from collect_pipelines.cli.output import ago
from collect_pipelines.cli.progress import progress

if TYPE_CHECKING:
    from collect_pipelines.store.database import Database
    from collect_pipelines.sync.backfill_estimate import Estimate
    from collect_pipelines.sync.backfill_progress import Progress

__all__ = ["HEADINGS", "count", "estimate_words", "facts_of", "row_of", "watch"]

HEADINGS = ("id", "integration", "form", "purpose", "state", "settled", "of", "per second", "time left", "what decides")
WATCH_SECONDS = 1.0  # between two looks; a batch rarely takes less


def estimate_words(one: "Estimate") -> str:
    """What is to be expected, in one sentence."""
    basis = {
        "integration": f"measured over {count(one.measured_batches, 'batch', 'batches')} of this integration",
        "kind": f"measured over {count(one.measured_batches, 'batch', 'batches')} of other integrations of its kind",
        "quota": "from the receiver's usual quota",
        "none": "",
    }[one.basis]
    calls = "" if not one.calls else f", about {count(one.calls, 'call', 'calls')}"
    begin = f"{count(one.entries, 'entry', 'entries')} in about {count(one.batches, 'batch', 'batches')}{calls}"
    if one.seconds is None:
        return f"{begin}. How long it takes is known when the first batch has landed. Live responses go first."
    return f"{begin}, {ago(one.seconds)} ({basis}). Live responses go first."


def row_of(one: "Progress") -> tuple[Any, ...]:
    """A line of the list."""
    what = one.backfill
    return (
        what.backfill_id,
        what.integration,
        what.form,
        what.purpose,
        what.state,
        what.settled,
        one.total,
        _rate(one),
        ago(one.left_seconds),
        one.limiter,
    )


def facts_of(one: "Progress") -> dict[str, Any]:
    """Everything about one."""
    what = one.backfill
    facts: dict[str, Any] = {"id": what.backfill_id, "integration": what.integration, "purpose": what.purpose, "state": what.state}
    facts |= {"positions": f"{what.from_position}-{what.to_position}", "settled": f"{what.settled} of {one.total}"}
    counts = ("delivered", "filtered", "quarantined", "dead_lettered", "behind")
    facts |= {name.replace("_", " ").replace("behind", "set aside"): getattr(what, name) for name in counts}
    facts |= {"per second": _rate(one), "time left": ago(one.left_seconds), "what decides": one.limiter}
    return facts | {"begun": what.created_at, "by": what.created_by, "over": what.finished_at}


def watch(database: "Database", backfill_id: int, *, quiet: bool) -> None:
    """Shows the progress until it is over or paused."""
    from collect_pipelines.store.backfill_records import find_backfill
    from collect_pipelines.sync.backfill_progress import progress_of

    def look() -> "Progress":
        with database.begin() as connection:
            return progress_of(connection, find_backfill(connection, backfill_id))

    now = look()
    with progress(f"{now.backfill.purpose} {backfill_id} of {now.backfill.integration}", now.total, quiet=quiet) as bar:
        bar.advance(now.backfill.settled, now.limiter or "")
        while now.backfill.state == "active":
            time.sleep(WATCH_SECONDS)
            now = look()
            bar.advance(now.backfill.settled - bar.done, now.limiter or "")


def count(number: int, one: str, many: str) -> str:
    """`1 batch`, `1,200 batches`."""
    return f"{number:,} {one if number == 1 else many}"


def _rate(one: "Progress") -> str | None:
    return None if one.per_second is None else f"{one.per_second:.3g}"
