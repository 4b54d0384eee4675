"""The versions of forms and what mappings make of them, worked out once per process: they never change."""

import threading
from collections import OrderedDict

from sqlalchemy import Connection

from collect_pipelines.destinations.interface import Destination
from collect_pipelines.forms.columns import Column, layout
from collect_pipelines.store.forms import VersionRecord, form_versions
from collect_pipelines.sync.mapping.model import FrozenMapping
from collect_pipelines.sync.mapping.plan import Plan, plan_of

__all__ = ["Versions"]

KEPT_FORMS = 512  # a form with 60 questions takes some 200 kB

KEPT_PLANS = 1024  # two integrations for each of those forms


class Versions:
    """A cache; safe for threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, int], tuple[VersionRecord, ...]] = OrderedDict()
        self._plans: OrderedDict[tuple[int, int, str, type[Destination]], Plan] = OrderedDict()
        self._lock = threading.Lock()

    def up_to(self, connection: Connection, form_id: int, version: int) -> tuple[VersionRecord, ...]:
        """Versions 1 to `version` of the form, oldest first."""
        key = (form_id, version)
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        found = tuple(form_versions(connection, form_id, version))
        with self._lock:
            self._known[key] = found
            while len(self._known) > KEPT_FORMS:
                self._known.popitem(last=False)
        return found

    def columns(self, connection: Connection, form_id: int, version: int, language: str | None = None) -> tuple[Column, ...]:
        """One column per question of versions 1 to `version`."""
        return layout([record.definition for record in self.up_to(connection, form_id, version)], language)

    def plan(self, connection: Connection, form_id: int, version: int, mapping: FrozenMapping, kind: type[Destination]) -> Plan:
        """The mapping resolved against versions 1 to `version`."""
        key = (form_id, version, mapping.model_dump_json(), kind)
        with self._lock:
            if key in self._plans:
                self._plans.move_to_end(key)
                return self._plans[key]
        made = plan_of([record.definition for record in self.up_to(connection, form_id, version)], mapping, kind)
        with self._lock:
            self._plans[key] = made
            while len(self._plans) > KEPT_PLANS:
                self._plans.popitem(last=False)
        return made
