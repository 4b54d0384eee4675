"""Trying an integration without sending anything: prove access, and show what would be written."""

from collect_pipelines.destinations.interface import ProbeReport
from collect_pipelines.errors import NotFound
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import form_by_id
from collect_pipelines.store.integrations import integration_by_id
from collect_pipelines.sync.mapping.freezing import frozen
from collect_pipelines.sync.mapping.render import rendered
from collect_pipelines.sync.pieces import Piece
from collect_pipelines.sync.plugs import Finder, Plugs, installed_destination
from collect_pipelines.sync.versions import Versions

__all__ = ["preview", "probe"]


def probe(database: Database, settings: Settings, integration_id: int, *, finder: Finder = installed_destination) -> ProbeReport:
    """Proves that the integration can be used, by using it. Raises NotFound, Blocked with the fix, or TryLater."""
    plugs = Plugs(database, settings, finder)
    try:
        with database.begin() as connection:
            integration = integration_by_id(connection, integration_id)
        return plugs.plug(integration).destination.probe()
    finally:
        plugs.close()


def preview(database: Database, settings: Settings, integration_id: int, rows: int, *, finder: Finder = installed_destination) -> str:
    """What the newest entries (at most `rows`) would become, as text. Raises NotFound when the form has no response yet, and Blocked."""
    plugs = Plugs(database, settings, finder)
    try:
        with database.begin() as connection:
            integration = integration_by_id(connection, integration_id)
        destination = plugs.plug(integration).destination
        with database.begin() as connection:
            form = form_by_id(connection, integration.form_id)
            if not form.head:
                raise NotFound(f"The form {form.reference} has no response yet.", fix="Send one: `collect responses submit`.")
            first = max(form.head - rows, 0) + 1
            piece = Piece("live", first, form.head)
            mapping = frozen(connection, integration)
            made = rendered(connection, integration, destination, Versions(), piece, form.version, mapping, settings=settings)
        return destination.preview(made.batch(integration, form, piece, 0))
    finally:
        plugs.close()
