"""Finding plug-ins: two entry-point groups, built-ins and strangers through the same door."""

import importlib
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from collect_pipelines.errors import PluginError

__all__ = ["CHECKS", "DESTINATIONS", "OWN_DISTRIBUTION", "Plugin", "find", "installed", "load", "normalized", "offered"]

CHECKS = "collect_pipelines.checks"
DESTINATIONS = "collect_pipelines.destinations"
OWN_DISTRIBUTION = "collect-pipelines"

SETTLED_SECONDS = 10.0  # a package is written within that; its folder changes when the first file comes, and not for the last


@dataclass(frozen=True, slots=True)
class Plugin:
    """One installed kind; nothing of it is imported until `load`."""

    kind: str
    distribution: str
    entry_point: EntryPoint
    version: str = "unknown"


def installed(group: str) -> Iterator[Plugin]:
    """Every plug-in of the group by kind, also those that two distributions claim; imports none of them."""
    places = tuple((place, _changed(place)) for place in sys.path)
    now = time.time()
    fresh = now - max((changed for _, changed in places), default=0) / 1e9 < SETTLED_SECONDS
    yield from _installed(group, places, int(now) if fresh else 0)


@lru_cache(maxsize=8)
def _installed(group: str, places: tuple[tuple[str, int], ...], second: int) -> tuple[Plugin, ...]:
    """
    Reads what every distribution says of itself, some 30 ms; installing or removing one changes the time of its folder.

    second: 0, or now while a folder changed so lately that its files may still be written.
    """
    importlib.invalidate_caches()
    return tuple(map(_plugin, sorted(entry_points(group=group), key=lambda point: point.name)))


def _plugin(point: EntryPoint) -> Plugin:
    if point.dist is None:
        return Plugin(point.name, "unknown", point)
    return Plugin(point.name, point.dist.name, point, point.dist.version)


def _changed(place: str) -> int:
    try:
        return Path(place or ".").stat().st_mtime_ns
    except OSError:
        return 0


def offered(group: str, kind: str) -> bool:
    """Whether `find` would find it. Some 50 us as long as nothing is installed or removed."""
    return sum(plugin.kind == kind for plugin in installed(group)) == 1


def find(group: str, kind: str) -> Plugin:
    """The one plug-in of this kind. Raises PluginError when none or more than one distribution offers it."""
    found = [plugin for plugin in installed(group) if plugin.kind == kind]
    if len(found) != 1:
        _installed.cache_clear()  # its folder may have been there before its files were
    every = list(installed(group))
    found = [plugin for plugin in every if plugin.kind == kind]
    if not found:
        kinds = ", ".join(sorted({plugin.kind for plugin in every})) or "none"
        near = get_close_matches(kind, [plugin.kind for plugin in every], n=1)
        meant = f"Did you mean {near[0]}? " if near else ""
        fix = f"{meant}Installed: {kinds}. Correct the name, or pip install the package that offers it."
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
