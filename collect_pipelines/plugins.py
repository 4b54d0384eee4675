"""Finding plug-ins: two entry-point groups, built-ins and strangers through the same door."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from collect_pipelines.errors import PluginError

__all__ = ["CHECKS", "DESTINATIONS", "Plugin", "find", "installed", "load"]

CHECKS = "collect_pipelines.checks"
DESTINATIONS = "collect_pipelines.destinations"


@dataclass(frozen=True, slots=True)
class Plugin:
    """One installed kind; nothing of it is imported until `load`."""

    kind: str
    distribution: str
    entry_point: EntryPoint


def installed(group: str) -> Iterator[Plugin]:
    """Every plug-in of the group by kind, also those that two distributions claim; imports none of them."""
    for point in sorted(entry_points(group=group), key=lambda point: point.name):
        yield Plugin(kind=point.name, distribution=point.dist.name if point.dist else "unknown", entry_point=point)


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
    """The plug-in's class. Raises PluginError naming the distribution when its import fails."""
    plugin = find(group, kind)
    try:
        return plugin.entry_point.load()
    except ImportError as exc:
        missing = f" ({exc.name} is missing)" if exc.name else ""
        raise PluginError(
            f"The plug-in {kind!r} of {plugin.distribution} can't be imported{missing}: {exc}.",
            fix=f"pip install --upgrade {plugin.distribution} together with what it needs.",
        ) from exc
