"""spreadsheets.batchUpdate: every request in order on one draft; the first that can't be carried out refuses them all."""

from collections.abc import Callable, Mapping
from typing import Any

from collect_pipelines.local.sheets import batch_cells, batch_dimensions, batch_filters, batch_metadata, batch_tabs
from collect_pipelines.local.sheets.context import BatchContext
from collect_pipelines.local.sheets.errors import InvalidRequest, SheetsError, bad_request
from collect_pipelines.local.sheets.limits import REQUESTS_PER_BATCH
from collect_pipelines.local.sheets.messages import UNSUPPORTED_REQUESTS

__all__ = ["HANDLERS", "apply_batch"]

# Fields Google has and this server does not act upon: refused, since leaving one out would write somewhere else than asked.
UNSUPPORTED_FIELDS = ("tableId", "tableRange", "namedRangeId", "dataSourceSheetRange", "dataSourceSheetDimensions")
Handler = Callable[[BatchContext, dict[str, Any]], dict[str, Any]]

HANDLERS: Mapping[str, Handler] = (
    batch_tabs.HANDLERS | batch_cells.HANDLERS | batch_dimensions.HANDLERS | batch_metadata.HANDLERS | batch_filters.HANDLERS
)


def apply_batch(context: BatchContext, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One reply per request, in order. Raises a 400 naming the request at fault; the caller then drops the draft."""
    if not requests:
        raise bad_request("Must specify at least one request.")
    if len(requests) > REQUESTS_PER_BATCH:
        raise bad_request(f"Cannot exceed {REQUESTS_PER_BATCH} requests in a single batch.")
    replies = []
    for index, request in enumerate(requests):
        kind = next(iter(request), None)
        if kind is None:
            raise bad_request(f"Invalid requests[{index}]: No request set.")
        if kind in UNSUPPORTED_REQUESTS and kind not in HANDLERS:
            raise SheetsError(501, f"Invalid requests[{index}].{kind}: the local Sheets server does not know this request.")
        _check_supported(index, kind, request[kind])
        try:
            replies.append(HANDLERS[kind](context, request[kind]))
        except InvalidRequest as exc:
            raise bad_request(f"Invalid requests[{index}].{kind}: {exc}") from exc
    return replies


def _check_supported(index: int, kind: str, request: dict[str, Any]) -> None:
    parts = [request, *(part for part in request.values() if isinstance(part, dict))]
    for name in UNSUPPORTED_FIELDS:
        if any(name in part for part in parts):
            raise SheetsError(
                501, f"Invalid requests[{index}].{kind}.{name}: the local Sheets server does not know tables and named ranges."
            )
