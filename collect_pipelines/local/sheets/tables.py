"""Where values.append writes: Google's table detection; developers.google.com/workspace/sheets/api/guides/values, appending values."""

from dataclasses import dataclass

from collect_pipelines.local.sheets.grid import Rectangle, Row, Tab, has_value

__all__ = ["append_place", "tables"]


@dataclass
class _Patch:
    """A connected patch of data while it is being found; `joined` points to the patch it became part of."""

    box: Rectangle
    joined: "_Patch | None" = None

    def root(self) -> "_Patch":
        patch = self
        while patch.joined is not None:
            patch = patch.joined
        return patch


def append_place(tab: Tab, area: Rectangle, *, see_filtered: bool) -> tuple[Rectangle | None, int, int]:
    """
    The table to append to and the row and column to write at.

    The last table that touches the area wins; without one the area's own start is taken.
    see_filtered: False treats rows hidden by a filter as not there, as OVERWRITE does ([U] PipedreamHQ/pipedream#19870).
    """
    touched = [box for box in tables(tab, see_filtered=see_filtered) if box.touches(area)]
    if not touched:
        return None, area.row_start, area.column_start
    last = max(touched, key=lambda box: (box.row_end, box.column_start))
    return last, last.row_end, last.column_start


def tables(tab: Tab, *, see_filtered: bool = True) -> list[Rectangle]:
    """The boxes around connected data; cells that meet at a corner are connected."""
    patches: list[_Patch] = []
    above: list[tuple[int, int, _Patch]] = []
    skipped = 0
    for index, row in enumerate(tab.rows):
        if index < skipped:
            continue
        if not see_filtered and _filtered(tab, index):
            continue
        if row is not None and row.solid and len(above) == 1 and above[0][0] == 0:
            # The usual case, thousands of times: full rows below a full row.
            skipped, width = _solid_end(tab, index, see_filtered)
            patch = above[0][2].root()
            patch.box = _around(patch.box, Rectangle(index, skipped, 0, width))
            above = [(0, (tab.rows[skipped - 1] or row).width, patch)]
            continue
        current = []
        for start, end in _runs(row):
            joined = _joined(index, start, end, [one for first, last, one in above if first <= end and start <= last])
            if joined is None:
                joined = _Patch(Rectangle(index, index + 1, start, end))
                patches.append(joined)
            current.append((start, end, joined))
        above = current
    return [patch.box for patch in patches if patch.joined is None]


def _solid_end(tab: Tab, start: int, see_filtered: bool) -> tuple[int, int]:
    """Where the full rows from `start` on end, and the widest of them."""
    rows, width = tab.rows, 0
    for index in range(start, len(rows)):
        row = rows[index]
        if row is None or not row.solid or (not see_filtered and _filtered(tab, index)):
            return index, width
        width = max(width, row.width)
    return len(rows), width


def _filtered(tab: Tab, index: int) -> bool:
    properties = tab.row_properties.get(index)
    return properties is not None and bool(properties.get("hiddenByFilter"))


def _runs(row: Row | None) -> list[tuple[int, int]]:
    """Stretches of filled columns in a row."""
    if row is None or not row.width:
        return []
    if row.solid:
        return [(0, row.width)]
    runs: list[tuple[int, int]] = []
    start = None
    for column, cell in enumerate([*row.cells()[: row.width], None]):
        if has_value(cell):
            start = column if start is None else start
        elif start is not None:
            runs.append((start, column))
            start = None
    return runs


def _joined(index: int, start: int, end: int, neighbours: list[_Patch]) -> _Patch | None:
    if not neighbours:
        return None
    root = neighbours[0].root()
    for one in neighbours[1:]:
        other = one.root()
        if other is not root:
            other.joined = root
            root.box = _around(root.box, other.box)
    root.box = _around(root.box, Rectangle(index, index + 1, start, end))
    return root


def _around(one: Rectangle, other: Rectangle) -> Rectangle:
    return Rectangle(
        min(one.row_start, other.row_start),
        max(one.row_end, other.row_end),
        min(one.column_start, other.column_start),
        max(one.column_end, other.column_end),
    )
