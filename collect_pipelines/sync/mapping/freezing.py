"""The mapping as it stands now, to be kept with a batch."""

from pydantic import ValidationError
from sqlalchemy import Connection

from collect_pipelines.errors import Blocked
from collect_pipelines.store.batches import planned_through
from collect_pipelines.store.integration_changes import surely_unused
from collect_pipelines.store.integrations import Integration, recall, remember
from collect_pipelines.sync.mapping.model import FrozenMapping, MappingConfig

__all__ = ["EARLIER_THROUGH", "MODE_THROUGH", "earlier_filters", "frozen", "keep_earlier"]

EARLIER = "mapping.earlier_filters"
EARLIER_THROUGH = "mapping.earlier_through"
"""Name under which it is remembered up to which position entries may have been delivered under an earlier filter."""
MODE_THROUGH = "mapping.mode_through"
"""The same for the mode: a row per response, or one per revision."""
MOST_EARLIER = 20  # filters; somebody who changes it more often than that takes back whatever may have been delivered


def frozen(connection: Connection, integration: Integration) -> FrozenMapping:
    """What a batch that is planned now is rendered with, also after a crash. Raises Blocked when this release can't read the mapping."""
    try:
        mapping = MappingConfig.model_validate(integration.mapping)
    except ValidationError as exc:
        fields = ", ".join(sorted({str(error["loc"][0]) if error["loc"] else "all" for error in exc.errors()}))
        raise Blocked(
            f"The mapping of {integration.name} can't be read by this release: {fields}.",
            fix="Install the release it was written with, or remove the integration and add it again.",
        ) from exc
    # without a filter everything may be taken back anyhow, and asking costs a query for every batch
    earlier = () if mapping.filter is None else earlier_filters(connection, integration)
    return FrozenMapping(**mapping.model_dump(), language=integration.language, earlier_filters=earlier)


def keep_earlier(connection: Connection, integration: Integration, now: MappingConfig) -> None:
    """Notes what is about to be replaced of the mapping and says what was delivered so far."""
    _keep_filter(connection, integration, now.filter)
    if integration.mapping.get("mode", "upsert") != now.mode and not surely_unused(connection, integration):
        remember(connection, integration.integration_id, MODE_THROUGH, planned_through(connection, integration.integration_id))


def _keep_filter(connection: Connection, integration: Integration, now: str | None) -> None:
    """Notes the filter that is about to be replaced by `now`, unless surely nothing is delivered under it, now or later."""
    before = integration.mapping.get("filter")
    if before == now or surely_unused(connection, integration):
        return
    known = dict.fromkeys((*earlier_filters(connection, integration), before))
    # None stands for all responses: nothing more needs to be known beside it
    kept = [None] if None in known or len(known) > MOST_EARLIER else list(known)
    remember(connection, integration.integration_id, EARLIER, kept)
    remember(connection, integration.integration_id, EARLIER_THROUGH, planned_through(connection, integration.integration_id))


def earlier_filters(connection: Connection, integration: Integration) -> tuple[str | None, ...]:
    """Filters the integration had before, None for a time without."""
    known = recall(connection, integration.integration_id, EARLIER)
    return tuple(known) if isinstance(known, list) else ()
