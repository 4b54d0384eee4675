"""What a write needs to know besides its request: the draft, who asks, and what is allowed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from collect_pipelines.local.sheets.a1 import Area
from collect_pipelines.local.sheets.errors import InvalidRequest
from collect_pipelines.local.sheets.grid import Rectangle, Tab
from collect_pipelines.local.sheets.limits import Limits, Switches
from collect_pipelines.local.sheets.workbook import Workbook

__all__ = ["BatchContext", "grid_area", "grid_range"]

PROTECTED = (
    "You are trying to edit a protected cell or object. Please contact the spreadsheet owner to remove protection if you need to edit."
)


@dataclass
class BatchContext:
    """One write on one draft."""

    workbook: Workbook
    caller: str
    """E-mail address of who asks."""
    project: str
    """Cloud project of the credentials; PROJECT metadata of others is hidden from it."""
    limits: Limits
    switches: Switches
    new_number: Callable[[], int]
    """A random positive int32, for ids the caller did not choose."""

    def check_size(self) -> None:
        """Called after anything that grows a grid."""
        self.workbook.check_size(self.limits.cells)

    def check_protection(self, tab: Tab, area: Rectangle) -> None:
        """Raises InvalidRequest when the caller may not edit some cell of the area; the owner always may (reported by users)."""
        if self.caller == self.workbook.file.owner:
            return
        for protected in tab.protected:
            if protected.get("warningOnly") or self.caller in protected.get("editors", {}).get("users", []):
                continue
            if not tab.clipped(Area(*protected["area"])).touches(area):
                continue
            if not any(tab.clipped(Area(*free)).holds(area) for free in protected.get("unprotected", [])):
                raise InvalidRequest(PROTECTED)


def grid_area(document: dict[str, Any]) -> Area:
    """The rectangle of a GridRange message; sides not given are open."""
    return Area(
        document.get("startRowIndex"),
        document.get("endRowIndex"),
        document.get("startColumnIndex"),
        document.get("endColumnIndex"),
    )


def grid_range(tab_id: int, area: list[int | None]) -> dict[str, Any]:
    """The GridRange message of four numbers, open sides left out."""
    names = ("startRowIndex", "endRowIndex", "startColumnIndex", "endColumnIndex")
    return {"sheetId": tab_id} | {name: value for name, value in zip(names, area, strict=True) if value is not None}
