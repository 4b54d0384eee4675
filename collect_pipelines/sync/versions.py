"""The versions of forms, parsed once per process: they never change."""

import threading
from collections import OrderedDict

from sqlalchemy import Connection

from collect_pipelines.forms.columns import Column, layout
from collect_pipelines.store.forms import VersionRecord, form_versions

__all__ = ["Versions"]

KEPT_FORMS = 512  # a form with 60 questions takes some 200 kB


class Versions:
    """A cache; safe for threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, int], tuple[VersionRecord, ...]] = OrderedDict()
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
