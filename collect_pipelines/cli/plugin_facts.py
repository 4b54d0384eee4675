"""What a plug-in says of itself, found out in another process: importing a stranger can take long, print, or end the process."""

import inspect
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from collect_pipelines import plugins
from collect_pipelines.errors import PluginError

__all__ = ["PluginFacts", "facts_here", "facts_of", "place_of"]

DEEPEST = 3  # models inside one another that are shown
IMPORT_SECONDS = 60.0  # the slowest of ours takes two; a plug-in that takes longer than this is of no use
AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class PluginFacts:
    """One installed plug-in; `problem` says why it can't be used."""

    kind: str
    door: str
    """check or destination."""
    distribution: str
    version: str
    problem: str | None
    facts: Mapping[str, Any] = field(default_factory=dict)
    """summary, doc, fields, and what belongs to its door; see `_facts`."""


Asked = tuple[str, plugins.Plugin]
"""A plug-in with its door."""


def facts_of(
    found: Sequence[Asked], seconds: float = IMPORT_SECONDS, told: Callable[[PluginFacts], None] | None = None
) -> list[PluginFacts]:
    """
    The facts of plug-ins; several at once, in order.

    Strangers have a process each. Our own, which share most of what they import, have one together.

    seconds: how long one may take to be imported. told: called with each as soon as it and those before it are known.
    """
    ours = [one for one in found if one[1].distribution == plugins.OWN_DISTRIBUTION]
    facts = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        together = pool.submit(_asked_together, ours, seconds)

        def asked(one: Asked) -> PluginFacts:
            known = together.result() if one in ours else {}
            return known.get(_name(one)) or _asked_alone(one, seconds)

        for fact in pool.map(asked, found):
            facts.append(fact)
            if told is not None:
                told(fact)
    return facts


def facts_here(door: str, plugin: plugins.Plugin) -> PluginFacts:
    """The facts of one plug-in, imported into this process: for those that are known to behave."""
    return _described_by((door, plugin), _facts(door, plugin.kind))


def place_of(one: PluginFacts, trusted: Sequence[str]) -> str:
    """Where it runs, in words. trusted: distributions whose bounded checks run in ingest."""
    if one.door == "destination":
        return "in the pipeline"
    if one.facts.get("bounded") and plugins.normalized(one.distribution) in map(plugins.normalized, trusted):
        return "in ingest"
    return "in processes of its own"


def _name(one: Asked) -> str:
    return f"{one[0]}:{one[1].kind}"


def _described_by(one: Asked, told: dict[str, Any]) -> PluginFacts:
    door, plugin = one
    return PluginFacts(plugin.kind, door, plugin.distribution, plugin.version, told.pop("problem", None), told)


def _asked_alone(one: Asked, seconds: float) -> PluginFacts:
    try:
        known, code = _ask([one], seconds)
    except subprocess.TimeoutExpired:
        return _described_by(one, {"problem": f"Importing it takes longer than {seconds:.0f} s."})
    return known.get(_name(one)) or _described_by(one, {"problem": f"Importing it ended the process (exit code {code})."})


def _asked_together(ours: Sequence[Asked], seconds: float) -> dict[str, PluginFacts]:
    """Those that told their facts before one ended the process or took too long; with none or one there is nothing to share."""
    try:
        return _ask(ours, seconds)[0] if len(ours) > 1 else {}
    except subprocess.TimeoutExpired:
        return {}


def _ask(some: Sequence[Asked], seconds: float) -> tuple[dict[str, PluginFacts], int]:
    """The facts that a process told, and its exit code. Raises TimeoutExpired."""
    from collect_pipelines.checks.isolation.child import clean_environment

    command = [sys.executable, "-P", "-m", "collect_pipelines.cli.plugin_facts", *map(_name, some)]
    done = subprocess.run(command, capture_output=True, env=clean_environment(), timeout=seconds, check=False)  # noqa: S603 - our own module
    told: dict[str, dict[str, Any]] = {}
    for line in [line for line in done.stdout.splitlines() if line][-len(some) :]:  # what a plug-in itself prints comes before
        with suppress(ValueError, TypeError):
            told.update(json.loads(line))
    return {_name(one): _described_by(one, told[_name(one)]) for one in some if _name(one) in told}, done.returncode


DESTINATION_FACTS = ("guarantee", "supports", "deletes", "keyed", "values", "max_rows", "max_bytes", "min_interval_seconds")
GROUPS = {"check": plugins.CHECKS, "destination": plugins.DESTINATIONS}


def _facts(door: str, kind: str) -> dict[str, Any]:
    try:
        made = plugins.load(GROUPS[door], kind)
        doc = inspect.cleandoc(made.__doc__ or "")
        facts = {"summary": doc.partition("\n")[0], "doc": doc, "fields": list(_fields(made.Config))}
        names = ("bounded", "references") if door == "check" else DESTINATION_FACTS
        return facts | {name: _plain(getattr(made, name)) for name in names}
    except PluginError as exc:
        return {"problem": f"{exc.message} {exc.fix or ''}".strip()}
    except Exception as exc:  # noqa: BLE001 - what an entry point names may be anything
        return {"problem": f"It is not a {door}: it raised {type(exc).__name__}."}


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, set | frozenset) else value


def _fields(config: Any) -> Iterator[dict[str, Any]]:
    schema = config.model_json_schema()
    return _described(schema, schema.get("$defs", {}))


def _described(schema: Mapping[str, Any], known: Mapping[str, Any], depth: int = 0) -> Iterator[dict[str, Any]]:
    for name, found in schema.get("properties", {}).items():
        required = name in schema.get("required", ())
        yield {
            "name": name,
            "type": _type_words(found, known),
            "required": required,
            "default": None if required else found.get("default"),
            "description": found.get("description", ""),
            "fields": [field for part in _parts(found, known, depth) for field in _inner(part, known, depth + 1)],
        }


def _inner(part: Mapping[str, Any], known: Mapping[str, Any], depth: int) -> Iterator[dict[str, Any]]:
    """Fields of a model inside a field; of one of several models, with its name in front."""
    name = _tag(part)
    for one in _described(part, known, depth):
        if name is None:
            yield one
        elif one["type"] != name:  # the field that says which model it is
            yield one | {"description": f"{name}: {one['description']}"}


def _tag(schema: Mapping[str, Any]) -> str | None:
    """What tells one of several models from the others: the constant among its fields."""
    return next((str(one["const"]) for one in schema.get("properties", {}).values() if "const" in one), None)


def _parts(schema: Mapping[str, Any], known: Mapping[str, Any], depth: int) -> Iterator[Mapping[str, Any]]:
    """The schemas of models inside a field."""
    if depth >= DEEPEST:
        return
    if "$ref" in schema:
        yield known.get(schema["$ref"].rpartition("/")[2], {})
    for inner in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), schema.get("items"), schema.get("additionalProperties")):
        if isinstance(inner, Mapping):
            yield from _parts(inner, known, depth)


def _type_words(schema: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """The type in words: `text`, `a | b`, `list of text`."""
    if "$ref" in schema:
        return _type_words(known.get(schema["$ref"].rpartition("/")[2], {}), known)
    if "enum" in schema:
        return " | ".join(str(item) for item in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            tags = [_tag(known.get(one.get("$ref", "").rpartition("/")[2], {})) for one in schema[several] if one.get("type") != "null"]
            if len(tags) > 1 and None not in tags:
                return f"mapping of one kind: {' | '.join(map(str, tags))}"
            return " or ".join(dict.fromkeys(_type_words(one, known) for one in schema[several] if one.get("type") != "null"))
    if schema.get("type") == "array":
        return f"list of {_type_words(schema.get('items', {}), known)}"
    if schema.get("properties"):
        return f"mapping with {', '.join(schema['properties'])}"
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "object": "mapping"}
    return words.get(str(schema.get("type")), "anything")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print("\n" + json.dumps({name: _facts(*name.split(":", 1))}, default=str), flush=True)
