"""A mapping resolved against the versions of a form and the kind of a destination: everything that is the same for every batch."""

from collections.abc import Sequence
from dataclasses import dataclass

from collect_pipelines.destinations.interface import Destination, OnDelete
from collect_pipelines.errors import RuleInvalid
from collect_pipelines.forms.columns import Column, Mask, layout
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.rules.zones import UTC
from collect_pipelines.sync.mapping.columns import Outgoing, outgoing
from collect_pipelines.sync.mapping.filtering import Filter, read_filter
from collect_pipelines.sync.mapping.fit import Misfit, misfits
from collect_pipelines.sync.mapping.model import RESPONDENT, FrozenMapping

__all__ = ["Plan", "plan_of"]


@dataclass(frozen=True, slots=True)
class Plan:
    """How entries of a form become rows for one integration."""

    mapping: FrozenMapping
    misfits: tuple[Misfit, ...]
    """Why the mapping can't be used with the form as it is now; then nothing else here may be used."""
    outgoing: tuple[Outgoing, ...]
    filter: Filter | None
    earlier: tuple[Filter, ...] | None
    """Filters of before; None when everything may have been delivered."""
    sources: tuple[Column, ...]
    """What is read from the log."""
    zone: str
    shown_zone: str | None
    """Zone that moments in answers are shown in; None shows them as they were answered."""
    on_delete: OnDelete
    append_only: bool
    labels: bool
    """Choices as people read them; else their codes."""
    display: bool
    """The other values as people read them."""
    code_lists: bool = False
    """All the same a select_multiple as the list of its codes."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """What the destination sees."""
        return tuple(one.column for one in self.outgoing)

    @property
    def takes_back(self) -> bool:
        """Whether deletions, and responses that leave the filter, go out."""
        return self.on_delete != "ignore"

    @property
    def hashes(self) -> bool:
        """Whether the organization's key is needed."""
        return "hash" in self.mapping.masks.values()

    @property
    def respondent(self) -> Mask | None:
        """The mask of `_respondent`."""
        return self.mapping.masks.get(RESPONDENT)


def plan_of(versions: Sequence[FormDefinition], mapping: FrozenMapping, kind: type[Destination]) -> Plan:
    """versions: 1 to the newest one that counts."""
    columns, newest = layout(versions, mapping.language), versions[-1]
    zone = mapping.time_zone or newest.timezone
    faults = tuple(misfits(mapping, columns, kind, zone))
    found = outgoing(mapping, columns)
    chosen = None if faults or mapping.filter is None else read_filter(mapping.filter, columns, zone)
    earlier = _earlier(mapping.earlier_filters, columns, zone)
    needed = [one.source for one in found]
    for one in (chosen, *(earlier or ())):
        needed += one.columns.values() if one else ()
    display = kind.values == "display"
    return Plan(
        mapping=mapping,
        misfits=faults,
        outgoing=found,
        filter=chosen,
        earlier=earlier,
        sources=tuple({column.name: column for column in needed}.values()),
        zone=zone,
        shown_zone=zone if mapping.time_zone or zone != UTC else None,
        on_delete=_on_delete(mapping, kind),
        append_only=mapping.mode == "append_only",
        labels=display if mapping.values is None else mapping.values == "labels",
        display=display,
        code_lists=display and kind.code_lists,
    )


def _earlier(texts: Sequence[str | None], columns: Sequence[Column], zone: str) -> tuple[Filter, ...] | None:
    found = []
    for text in texts:
        try:
            if text is None:
                return None
            found.append(read_filter(text, columns, zone))
        except RuleInvalid:
            return None  # nobody can tell any more what it let through
    return tuple(found)


def _on_delete(mapping: FrozenMapping, kind: type[Destination]) -> OnDelete:
    if "delete" not in kind.supports or not kind.deletes:
        return "ignore" if "delete" not in kind.supports else mapping.on_delete or "tombstone"
    if mapping.mode == "append_only" and "tombstone" in kind.deletes:
        return mapping.on_delete or "tombstone"
    return mapping.on_delete or kind.deletes[0]
