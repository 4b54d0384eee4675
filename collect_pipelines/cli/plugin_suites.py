"""Running conformance suites without pytest: against a package in a folder, or against an installed kind."""

import importlib
import importlib.util
import inspect
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from collect_pipelines import plugins
from collect_pipelines.cli.plugin_trials import destination_suite
from collect_pipelines.errors import Invalid, NotFound
from collect_pipelines.testing import CheckConformance, DestinationConformance

__all__ = ["Result", "run_suites", "suite_of_kind", "suites_in"]

Suite = type[CheckConformance] | type[DestinationConformance]
BASES = (CheckConformance, DestinationConformance)


@dataclass(frozen=True, slots=True)
class Result:
    """How one requirement went."""

    suite: str
    sentence: str
    failure: str | None
    left_out: str | None = None
    """Why the requirement does not concern this plug-in."""


def suites_in(folder: Path) -> list[Suite]:
    """
    The suites in the folder's tests; without any, one per plug-in that its pyproject.toml names, with its default configuration.

    Raises NotFound when it has neither, and Invalid when they can't be imported.
    """
    for place in (folder / "src", folder):
        if place.is_dir() and str(place.resolve()) not in sys.path:
            sys.path.insert(0, str(place.resolve()))
    suites = [suite for path in sorted(folder.glob("tests/**/test_*.py")) for suite in _suites_of(_imported(path))]
    suites = suites or [_suite(made, {}) for made in _named_in(folder, plugins.CHECKS)]
    suites = suites or [destination_suite(made, {}) for made in _named_in(folder, plugins.DESTINATIONS)]
    if not suites:
        fix = "Write a test with a subclass of CheckConformance or DestinationConformance, or `collect plugins new check|destination NAME`."
        raise NotFound(f"{folder} holds no plug-in: no suite in tests/, no entry point in pyproject.toml.", fix=fix)
    return suites


def suite_of_kind(kind: str, config: Mapping[str, Any], form: Path | None = None, door: str | None = None) -> Suite:
    """
    A suite for an installed plug-in; where a check and a destination have the name, for the check, unless `door` says otherwise.

    Raises PluginError, FormInvalid, or Invalid when the plug-in does not take the configuration.
    """
    if door != "destination" and any(plugin.kind == kind for plugin in plugins.installed(plugins.CHECKS)):
        made = plugins.load(plugins.CHECKS, kind)
        _refuse_faulty(made, kind, config)
        suite = _suite(made, config)
    else:
        suite = destination_suite(plugins.load(plugins.DESTINATIONS, kind), config)
    if form is not None:
        from collect_pipelines.forms.reading import read_form

        suite.form = read_form(form.read_bytes(), str(form))
    return suite


def run_suites(suites: Sequence[Suite], only: str = "") -> Iterator[Result]:
    """One result per requirement with the words of `only` in it, as soon as it is known."""
    for made in suites:
        subject: Any = getattr(made, "check", None) or getattr(made, "destination", made)
        names = [name for name, _ in inspect.getmembers(made, inspect.isfunction) if name.startswith("test_") and only in _sentence(name)]
        try:
            for name in names:
                yield _result(made(), name, subject.__name__)
        finally:
            if issubclass(made, DestinationConformance):
                made.teardown_class()


def _result(suite: Any, name: str, subject: str) -> Result:
    sentence = _sentence(name)
    try:
        getattr(suite, name)()
    except AssertionError as exc:
        return Result(subject, sentence, str(exc) or "an assertion of its own failed")
    except Exception as exc:  # noqa: BLE001 - tests of a stranger may raise anything
        return Result(subject, sentence, f"{type(exc).__name__}: {exc}")
    return Result(subject, sentence, None, getattr(suite, "not_applicable", None))


def _sentence(name: str) -> str:
    return name.removeprefix("test_").replace("_", " ")


def _refuse_faulty(made: Any, kind: str, config: Mapping[str, Any]) -> None:
    """One sentence instead of a failure of nearly every requirement. Anything but a pydantic model is for the suite to judge."""
    from collect_pipelines.checks.making import config_faults

    try:
        made.Config.model_validate(config)
    except ValidationError as exc:
        fix = f"Give --config as JSON, naming questions such as a_text, or those of --form; `collect plugins show {kind}` has the fields."
        raise Invalid(f"The check {kind!r} can't be tried with this configuration: {config_faults(exc)}.", fix=fix) from exc
    except Exception:  # noqa: BLE001, S110 - the suite names what an entry point lacks, requirement by requirement
        pass


def _suite(made: Any, config: Mapping[str, Any]) -> Suite:
    return type("Suite", (CheckConformance,), {"check": made, "config": dict(config)})


def _suites_of(module: ModuleType) -> Iterator[Suite]:
    for _, found in inspect.getmembers(module, inspect.isclass):
        says = getattr(found, "check", None) or getattr(found, "destination", None)
        if issubclass(found, BASES) and says is not None and found.__module__ == module.__name__:
            yield found


def _imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"collect_suite_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as exc:
        raise Invalid(
            f"{path} can't be imported: {type(exc).__name__}: {exc}.", fix="Install what it needs, e.g. pip install -e ."
        ) from exc
    return module


def _named_in(folder: Path, group: str) -> Iterator[Any]:
    project = folder / "pyproject.toml"
    if not project.is_file():
        return
    points = tomllib.loads(project.read_text("utf-8")).get("project", {}).get("entry-points", {}).get(group, {})
    for value in points.values():
        module, _, name = value.partition(":")
        try:
            yield getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as exc:
            raise Invalid(f"The entry point {value!r} of {project} leads nowhere: {exc}.", fix="Correct it.") from exc
