"""What a write needs to know besides its request: the draft, who asks, and what is allowed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from collect_pipelines.local.sheets.a1 import Area
from collect_pipelines.local.sheets.errors import InvalidRequest
from collect_pipelines.local.sheets.grid import Rectangle, Tab
from collect_pipelines.local.sheets.limits import Limits, Switches
from collect_pipelines.local.sheets.workbook import Workbook

__all__ = ["PROTECTED", "BatchContext", "grid_area", "grid_range", "is_whole"]

PROTECTED = (  # [U] theoephraim/node-google-spreadsheet#20
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

    def check_sheet_protection(self, tab: Tab) -> None:
        """Raises InvalidRequest when the whole tab is protected from the caller: then its properties are too."""
        if any(is_whole(Area(*protected["area"])) for protected in self._protections(tab)):
            raise InvalidRequest(PROTECTED)

    def check_protection(self, tab: Tab, area: Rectangle) -> None:
        """
        Raises InvalidRequest when the caller may not edit some cell of the area; the owner always may.

        A range that only warns keeps nobody out: reference/rest/v4/spreadsheets/sheets#ProtectedRange.
        """
        for protected in self._protections(tab):
            if not tab.clipped(Area(*protected["area"])).touches(area):
                continue
            if not any(tab.clipped(Area(*free)).holds(area) for free in protected.get("unprotected", [])):
                raise InvalidRequest(PROTECTED)

    def _protections(self, tab: Tab) -> list[dict[str, Any]]:
        """Protected ranges of the tab the caller is no editor of."""
        if self.caller == self.workbook.file.owner:
            return []
        users = [(one, one.get("editors", {}).get("users", [])) for one in tab.protected if not one.get("warningOnly")]
        return [one for one, allowed in users if self.caller not in allowed]


def is_whole(area: Area) -> bool:
    """True for a range without bounds: the whole sheet, whatever its size."""
    return not area.row_start and not area.column_start and area.row_end is None and area.column_end is None


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
