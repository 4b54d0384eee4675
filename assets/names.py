"""Names and tags of the graph that more than one module speaks of."""

from collect_pipelines import plugins

__all__ = [
    "CHECK",
    "LANE_TAG",
    "OWNERS",
    "RESPONSES",
    "VALIDATED",
    "VALIDATION_LANE",
    "destination_kinds",
    "job_name",
    "lane_kinds",
    "run_of",
    "run_owner",
    "sensor_name",
]

RESPONSES = "responses"
VALIDATED = "validated"
CHECK = "answers_hold"

VALIDATION_LANE = "validation"
LANE_TAG = "lane"
"""Run tag of dagster.yaml's concurrency limit."""

OWNER_PREFIX = "dagster:"
OWNERS = ["team:collect"]


def destination_kinds() -> tuple[str, ...]:
    """Every installed kind of destination, once, in order; imports none of them."""
    return tuple(sorted({plugin.kind for plugin in plugins.installed(plugins.DESTINATIONS)}))


def lane_kinds() -> tuple[str, ...]:
    """The lanes: validation first, then one per kind of destination."""
    return (VALIDATION_LANE, *destination_kinds())


def job_name(kind: str) -> str:
    """The job whose runs drain the lane."""
    return f"{kind}_lane"


def sensor_name(kind: str) -> str:
    """The sensor that keeps the lane's run alive."""
    return f"keep_{kind}_lane"


def run_owner(run_id: str) -> str:
    """The name under which a run takes leases: so a lease tells which run is alive."""
    return f"{OWNER_PREFIX}{run_id}"


def run_of(owner: str) -> str | None:
    """The run behind a lease's owner; None when it is something else, e.g. `collect sync`."""
    return owner.removeprefix(OWNER_PREFIX) if owner.startswith(OWNER_PREFIX) else None
