"""From a project file and what is stored to a plan."""

from sqlalchemy import Connection

from collect_pipelines.project.form_changes import form_changes
from collect_pipelines.project.integration_changes import Notice, integration_changes
from collect_pipelines.project.key_changes import key_changes
from collect_pipelines.project.plan import Change, Plan
from collect_pipelines.project.reading import ProjectFile
from collect_pipelines.project.stored import Stored, read_stored
from collect_pipelines.sync.plugs import Finder, installed_destination

__all__ = ["make_plan", "offline_plan"]


def make_plan(connection: Connection, file: ProjectFile, *, prune: bool = False, finder: Finder = installed_destination) -> Plan:
    """What `apply` would do to the database behind the connection; changes nothing."""
    return _plan(connection, file, read_stored(connection, file.project.organization), finder, prune)


def offline_plan(file: ProjectFile, finder: Finder = installed_destination) -> Plan:
    """What `apply` would do to an empty database, as far as the file can tell: finds every fault that needs no database."""
    return _plan(None, file, Stored(file.project.organization), finder, prune=False)


def _plan(connection: Connection | None, file: ProjectFile, stored: Stored, finder: Finder, prune: bool) -> Plan:
    found = [
        *form_changes(file, stored, finder),
        *integration_changes(connection, file, stored, finder, prune=prune),
        *key_changes(connection, file, stored),
    ]
    unnamed = [slug for slug in stored.forms if slug not in file.forms]
    others = [key for key in stored.keys if key not in {entry.name for entry in file.project.keys}]
    left = [
        f"Not in the file, and left alone: {what} {', '.join(names)}." for what, names in (("forms", unnamed), ("keys", others)) if names
    ]
    return Plan(
        file.project.organization,
        tuple(one for one in found if isinstance(one, Change)),
        tuple(str(one) for one in found if isinstance(one, str) and not isinstance(one, Notice)),
        (*(str(one) for one in found if isinstance(one, Notice)), *left),
    )
