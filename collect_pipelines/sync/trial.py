"""Trying an integration without sending any response: everything that is missing, in plain words, with what to do."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from collect_pipelines.destinations.interface import Destination, ProbeReport
from collect_pipelines.errors import Blocked, CollectError, ConfigInvalid, PluginError
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import form_by_id
from collect_pipelines.store.integrations import Integration, integration_by_id
from collect_pipelines.sync.context import DeliveryContext
from collect_pipelines.sync.mapping.freezing import frozen
from collect_pipelines.sync.mapping.keys import hash_key
from collect_pipelines.sync.mapping.notices import notices
from collect_pipelines.sync.mapping.reading import settings_of_kind
from collect_pipelines.sync.mapping.render import unfit
from collect_pipelines.sync.plugs import Finder, Plugs, installed_destination
from collect_pipelines.sync.versions import Versions

__all__ = ["Step", "Trial", "probe", "try_out"]

# Of a secret, also behind the word that says how it proves who sends; file:// is an address.
REFERENCE = re.compile(r"(?:(?:Bearer|Basic|Token|Key) )?((?:env|stored|connection):.+|file:(?!//).+)")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was looked at."""

    name: str
    ok: bool
    said: str
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """How an integration stands."""

    steps: tuple[Step, ...]
    notices: tuple[str, ...] = ()
    report: ProbeReport | None = None
    """What the destination says of itself; None when it could not be asked."""

    @property
    def faults(self) -> tuple[Step, ...]:
        """What is missing."""
        return tuple(step for step in self.steps if not step.ok)


def try_out(database: Database, settings: Settings, integration_id: int, *, finder: Finder = installed_destination) -> Trial:
    """
    Looks at plug-in, configuration, secrets and mapping, then proves access by using it.

    What one step finds never hides what another would. Raises NotFound.
    """
    with database.begin() as connection:
        integration = integration_by_id(connection, integration_id)
    kind, step = _plugin(integration, finder)
    if kind is None:
        return Trial((step,))
    steps = [step, _configuration(integration, kind), *_secrets(database, settings, integration)]
    mapped, told = _mapping(database, settings, integration, kind)
    steps.append(mapped)
    if not all(one.ok for one in steps if one.name != "mapping"):
        return Trial(tuple(steps), told)
    access, report = _access(lambda: probe(database, settings, integration_id, finder=finder))
    return Trial((*steps, access), told, report)


def probe(database: Database, settings: Settings, integration_id: int, *, finder: Finder = installed_destination) -> ProbeReport:
    """Proves that the destination can be used, by using it. Raises NotFound, Blocked with the fix, or TryLater."""
    plugs = Plugs(database, settings, finder)
    try:
        with database.begin() as connection:
            integration = integration_by_id(connection, integration_id)
        return plugs.plug(integration).destination.probe()
    finally:
        plugs.close()


def _plugin(integration: Integration, finder: Finder) -> tuple[type[Destination] | None, Step]:
    try:
        kind = finder(integration.kind)
    except PluginError as exc:
        return None, Step("plug-in", False, exc.message, exc.fix)
    return kind, Step("plug-in", True, f"{integration.kind} is installed.")


def _configuration(integration: Integration, kind: type[Destination]) -> Step:
    try:
        settings_of_kind(kind, integration.config)
    except ConfigInvalid as exc:
        fix = f"Correct it: collect integrations set {integration.name} --set NAME=VALUE. {exc.fix}"
        return Step("configuration", False, exc.message, fix)
    return Step("configuration", True, "Every field is valid.")


def _secrets(database: Database, settings: Settings, integration: Integration) -> Iterator[Step]:
    context = DeliveryContext(database, settings, integration)
    for reference in dict.fromkeys(_references(integration.config)):
        try:
            context.secret(reference)
        except Blocked as exc:
            yield Step("secret", False, exc.message, exc.fix)
        else:
            yield Step("secret", True, f"{reference} is there.")


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        found = REFERENCE.fullmatch(value)
        if found:
            yield found[1]
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _references(item)


def _mapping(database: Database, settings: Settings, integration: Integration, kind: type[Destination]) -> tuple[Step, tuple[str, ...]]:
    versions = Versions()
    with database.begin() as connection:
        form = form_by_id(connection, integration.form_id)
        try:
            mapping = frozen(connection, integration)
            plan = versions.plan(connection, form.form_id, form.version, mapping, kind)
            if plan.misfits:
                raise unfit(integration.name, plan.misfits)
            if plan.hashes:
                hash_key(connection, settings, integration.organization)
        except Blocked as exc:
            return Step("mapping", False, exc.message, exc.fix), ()
        known = versions.up_to(connection, form.form_id, form.version)
        columns = versions.columns(connection, form.form_id, form.version, mapping.language)
    told = f"It fits version {form.version} of {form.reference}: {len(plan.columns)} columns."
    return Step("mapping", True, told), notices(plan, columns, known[-1].definition)


def _access(ask: Callable[[], ProbeReport]) -> tuple[Step, ProbeReport | None]:
    try:
        report = ask()
    except CollectError as exc:
        return Step("access", False, exc.message, exc.fix or "Try again in a minute; if it stays, look at the receiver."), None
    except Exception as exc:  # noqa: BLE001 - a plug-in may raise anything, and the person wants to know what the others say
        # Promise 10: the class only, its message may hold a secret
        name = type(exc).__name__
        return Step("access", False, f"The plug-in failed with {name}.", "This is a fault of the plug-in: tell its author."), None
    return Step("access", True, report.summary), report
