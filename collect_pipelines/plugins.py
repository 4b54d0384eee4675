"""Finding plug-ins: two entry-point groups, built-ins and strangers through the same door."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from collect_pipelines.errors import PluginError

__all__ = ["CHECKS", "DESTINATIONS", "OWN_DISTRIBUTION", "Plugin", "find", "installed", "load", "normalized"]

CHECKS = "collect_pipelines.checks"
DESTINATIONS = "collect_pipelines.destinations"
OWN_DISTRIBUTION = "collect-pipelines"


@dataclass(frozen=True, slots=True)
class Plugin:
    """One installed kind; nothing of it is imported until `load`."""

    kind: str
    distribution: str
    entry_point: EntryPoint
    version: str = "unknown"


def installed(group: str) -> Iterator[Plugin]:
    """Every plug-in of the group by kind, also those that two distributions claim; imports none of them."""
    for point in sorted(entry_points(group=group), key=lambda point: point.name):
        if point.dist is None:
            yield Plugin(point.name, "unknown", point)
        else:
            yield Plugin(point.name, point.dist.name, point, point.dist.version)


def find(group: str, kind: str) -> Plugin:
    """The one plug-in of this kind. Raises PluginError when none or more than one distribution offers it."""
    every = list(installed(group))
    found = [plugin for plugin in every if plugin.kind == kind]
    if not found:
        kinds = ", ".join(sorted({plugin.kind for plugin in every})) or "none"
        fix = f"Installed: {kinds}. Correct the name, or pip install the package that offers it."
        raise PluginError(f"No plug-in of kind {kind!r} in {group}.", fix=fix)
    if len(found) > 1:
        names = " and ".join(sorted(plugin.distribution for plugin in found))
        raise PluginError(f"Kind {kind!r} is offered by {names}.", fix="Uninstall all but one of them.")
    return found[0]


def load(group: str, kind: str) -> Any:
    """The plug-in's class. Raises PluginError naming the distribution when its import fails, however it fails."""
    plugin = find(group, kind)
    try:
        return plugin.entry_point.load()
    except ImportError as exc:
        missing = f" ({exc.name} is missing)" if exc.name else ""
        raise PluginError(
            f"The plug-in {kind!r} of {plugin.distribution} can't be imported{missing}: {exc}.",
            fix=f"pip install --upgrade {plugin.distribution} together with what it needs.",
        ) from exc
    except (Exception, SystemExit) as exc:
        raise PluginError(
            f"The plug-in {kind!r} of {plugin.distribution} can't be imported: it raised {type(exc).__name__}.",
            fix=f"pip install --upgrade {plugin.distribution}, or ask its author.",
        ) from exc


def normalized(distribution: str) -> str:
    """The name of a distribution as packaging tools compare names."""
    return re.sub(r"[-_.]+", "-", distribution).lower()
