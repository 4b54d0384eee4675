"""From an integration's row to its destination object: made once per configuration and kept."""

import json
import threading
from collections.abc import Callable

from pydantic import ValidationError

from collect_pipelines import plugins
from collect_pipelines.destinations.interface import Context, Destination
from collect_pipelines.errors import Blocked, PluginError
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import Integration
from collect_pipelines.sync.context import DeliveryContext

__all__ = ["Finder", "Plug", "Plugs", "installed_destination", "make_destination"]

Finder = Callable[[str], type[Destination]]


class Plug:
    """A destination and the context it was given."""

    def __init__(self, destination: Destination, context: DeliveryContext, config: str) -> None:
        self.destination, self.context, self.config = destination, context, config


def installed_destination(kind: str) -> type[Destination]:
    """The class behind the entry point. Raises PluginError."""
    found: type[Destination] = plugins.load(plugins.DESTINATIONS, kind)
    return found


class Plugs:
    """The destinations of this process, by integration. A changed configuration makes a new object."""

    def __init__(self, database: Database, settings: Settings, finder: Finder = installed_destination) -> None:
        self._database, self._settings, self._finder = database, settings, finder
        self._made: dict[int, Plug] = {}
        self._lock = threading.Lock()

    def kind(self, kind: str) -> type[Destination]:
        """The class of a kind. Raises PluginError."""
        return self._finder(kind)

    def plug(self, integration: Integration) -> Plug:
        """The destination of an integration. Raises Blocked when its configuration or its plug-in can't be used."""
        config = json.dumps(integration.config, sort_keys=True)
        with self._lock:
            known = self._made.get(integration.integration_id)
            if known is not None and known.config == config:
                return known
            if known is not None:
                known.destination.close()
            made = self._make(integration, config)
            self._made[integration.integration_id] = made
            return made

    def close(self) -> None:
        """Closes every destination."""
        with self._lock:
            plugs, self._made = list(self._made.values()), {}
        for plug in plugs:
            plug.destination.close()

    def _make(self, integration: Integration, config: str) -> Plug:
        context = DeliveryContext(self._database, self._settings, integration)
        return Plug(make_destination(integration, context, self._finder), context, config)


def make_destination(integration: Integration, context: Context, finder: Finder) -> Destination:
    """A destination of its own for the integration. Raises Blocked when its configuration or its plug-in can't be used."""
    try:
        found = finder(integration.kind)
        return found(found.Config.model_validate(integration.config), context)
    except PluginError as exc:
        raise Blocked(exc.message, fix=exc.fix or f"Install the package that offers {integration.kind}.") from exc
    except ValidationError as exc:
        # names of fields only: a value can be a secret
        fields = ", ".join(sorted({".".join(map(str, error["loc"])) or "configuration" for error in exc.errors()}))
        raise Blocked(
            f"The configuration of {integration.name} is not valid: {fields}.",
            fix="Correct it with `collect integrations`, then resume.",
        ) from exc
