"""Developer metadata: ids unique in a spreadsheet, 30,000 characters a place, and entries that follow their row or column."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from collect_pipelines.local.sheets.dimensions import Dimension, Follow
from collect_pipelines.local.sheets.errors import InvalidRequest
from collect_pipelines.local.sheets.limits import METADATA_CHARACTERS

__all__ = ["Entry", "LocationType", "MetadataBook", "matches"]

LocationType = Literal["SPREADSHEET", "SHEET", "ROW", "COLUMN"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One piece of metadata. `index` is the row or column it hangs on; `tab_id` is None for the spreadsheet itself."""

    metadata_id: int
    key: str
    value: str | None
    visibility: str
    location_type: LocationType
    tab_id: int | None
    index: int | None
    project: str
    """Project that created it: PROJECT visibility hides it from all others."""

    @property
    def size(self) -> int:
        """Characters it takes from the budget of its place."""
        return len(self.key) + len(self.value or "")

    def as_json(self) -> dict[str, Any]:
        """The DeveloperMetadata resource."""
        document: dict[str, Any] = {"metadataId": self.metadata_id, "metadataKey": self.key}
        if self.value is not None:
            document["metadataValue"] = self.value
        document["location"] = self._location()
        document["visibility"] = self.visibility
        return document

    def _location(self) -> dict[str, Any]:
        if self.location_type == "SPREADSHEET":
            return {"locationType": "SPREADSHEET", "spreadsheet": True}
        if self.location_type == "SHEET":
            return {"locationType": "SHEET", "sheetId": self.tab_id}
        assert self.index is not None
        span = {
            "sheetId": self.tab_id,
            "dimension": self.location_type + "S",
            "startIndex": self.index,
            "endIndex": self.index + 1,
        }
        return {"locationType": self.location_type, "dimensionRange": span}


@dataclass
class MetadataBook:
    """All metadata of one spreadsheet, by a serial number of our own: ids may repeat when a test turns uniqueness off."""

    entries: dict[int, Entry] = field(default_factory=dict)
    ids: Counter[int] = field(default_factory=Counter)
    used: Counter[int | None] = field(default_factory=Counter)
    """Characters in use per tab; None is the spreadsheet."""
    next_serial: int = 1

    def copy(self) -> "MetadataBook":
        """A copy that can be changed."""
        return MetadataBook(dict(self.entries), self.ids.copy(), self.used.copy(), self.next_serial)

    def load(self, serial: int, entry: Entry) -> None:
        """Takes an entry from storage, without limits."""
        self.entries[serial] = entry
        self.ids[entry.metadata_id] += 1
        self.used[entry.tab_id] += entry.size
        self.next_serial = max(self.next_serial, serial + 1)

    def create(self, entry: Entry, *, unique: bool = True) -> None:
        """Adds an entry; raises InvalidRequest when the id exists ([L3]) or the place is full."""
        if unique and self.ids[entry.metadata_id]:
            start = f"Cannot add developer metadata with ID [{entry.metadata_id}]"
            raise InvalidRequest(f"{start} because developer metadata with that ID already exists.")
        self._fits(entry.tab_id, entry.size)
        self.load(self.next_serial, entry)

    def change(self, serial: int, entry: Entry) -> None:
        """Replaces an entry; raises InvalidRequest when its place gets too full."""
        before = self.entries[serial]
        room = before.size if before.tab_id == entry.tab_id else 0
        self._fits(entry.tab_id, entry.size - room)
        self.used[before.tab_id] -= before.size
        self.used[entry.tab_id] += entry.size
        self.entries[serial] = entry

    def delete(self, serial: int) -> Entry:
        """Removes an entry and answers it."""
        entry = self.entries.pop(serial)
        self.ids[entry.metadata_id] -= 1
        self.used[entry.tab_id] -= entry.size
        return entry

    def duplicate(self, tab_id: int, copy_id: int, new_number: Callable[[], int]) -> None:
        """Gives a copied tab what its original has, under new ids."""
        for entry in [entry for entry in self.entries.values() if entry.tab_id == tab_id]:
            self.create(replace(entry, tab_id=copy_id, metadata_id=self.free_id(new_number())))

    def drop_tab(self, tab_id: int) -> None:
        """Metadata dies with its tab."""
        for serial in [serial for serial, entry in self.entries.items() if entry.tab_id == tab_id]:
            self.delete(serial)

    def follow(self, tab_id: int, dimension: Dimension, mapping: Follow) -> None:
        """Entries go where their row or column went, and die with it."""
        kind = "ROW" if dimension == "ROWS" else "COLUMN"
        for serial, entry in list(self.entries.items()):
            if entry.tab_id != tab_id or entry.location_type != kind or entry.index is None:
                continue
            place = mapping(entry.index)
            if place is None:
                self.delete(serial)
            elif place != entry.index:
                self.entries[serial] = replace(entry, index=place)

    def free_id(self, seed: int) -> int:
        """An id nobody uses, from `seed` upwards."""
        number = seed
        while self.ids[number]:
            number = number % (2**31 - 1) + 1
        return number

    def find(self, lookup: dict[str, Any], project: str) -> list[tuple[int, Entry]]:
        """(serial, entry) of everything a DeveloperMetadataLookup matches, oldest first."""
        return [(serial, entry) for serial, entry in self.entries.items() if matches(entry, lookup, project)]

    def _fits(self, tab_id: int | None, more: int) -> None:
        if self.used[tab_id] + more > METADATA_CHARACTERS:
            raise InvalidRequest("Adding the requested developer metadata would exceed the allowed storage limit")


def matches(entry: Entry, lookup: dict[str, Any], project: str) -> bool:
    """True when every condition of the lookup holds and the entry is visible to the project."""
    if entry.visibility == "PROJECT" and entry.project != project:
        return False
    wanted = (
        ("metadataId", entry.metadata_id),
        ("metadataKey", entry.key),
        ("metadataValue", entry.value),
        ("visibility", entry.visibility),
        ("locationType", entry.location_type),
    )
    for name, value in wanted:
        if name in lookup and not str(lookup[name]).endswith("_UNSPECIFIED") and lookup[name] != value:
            return False
    location = lookup.get("metadataLocation")
    return location is None or _located(entry, location, lookup.get("locationMatchingStrategy", ""))


def _located(entry: Entry, location: dict[str, Any], strategy: str) -> bool:
    """Unspecified means INTERSECTING (reference of DeveloperMetadataLookup); what shares a cell intersects."""
    exact = strategy == "EXACT_LOCATION"
    if location.get("spreadsheet"):
        return not exact or entry.location_type == "SPREADSHEET"
    if "dimensionRange" in location:
        return _in_span(entry, location["dimensionRange"], exact)
    if "sheetId" in location:
        return entry.tab_id == location["sheetId"] and (not exact or entry.location_type == "SHEET")
    return True


def _in_span(entry: Entry, span: dict[str, Any], exact: bool) -> bool:
    kind = "ROW" if span.get("dimension") == "ROWS" else "COLUMN"
    if entry.tab_id != span.get("sheetId", 0):
        return False
    if entry.location_type != kind or entry.index is None:
        return not exact
    start, end = span.get("startIndex", 0), span.get("endIndex", 2**31)
    if exact:
        return bool((start, end) == (entry.index, entry.index + 1))
    return bool(start <= entry.index < end)
