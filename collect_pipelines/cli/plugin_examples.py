"""How a plug-in is used, in a few lines that can be pasted."""

import json
from collections.abc import Mapping
from typing import Any

from collect_pipelines.cli.plugin_facts import PluginFacts

__all__ = ["default_words", "example_of"]


def example_of(one: PluginFacts) -> str:
    """How it is used: YAML for a form, or a command."""
    fields = one.facts["fields"]
    if one.door == "destination":
        needed = "".join(f" --set {item['name']}=..." for item in fields if item["required"])
        return f"collect integrations add {one.kind} --form FORM{needed}"
    lines = ["checks:", f"  {one.kind}:" if fields else f"  {one.kind}: {{}}"]
    if fields:
        # what may be left out, and is by default, is a comment; `config:` with nothing but comments would be no mapping
        unset = [not item["required"] and item["default"] is None for item in fields]
        lines.append("    config: {}" if all(unset) else "    config:")
        lines += [f"      {'# ' if out else ''}{item['name']}: {_sample(item)}" for item, out in zip(fields, unset, strict=True)]
    return "\n".join(lines)


def _sample(item: Mapping[str, Any]) -> str:
    return f"...  # {item['type']}" if item["required"] else _yaml(item["default"])


def default_words(item: Mapping[str, Any]) -> str:
    """The default of a field as it is shown."""
    if item["required"]:
        return "required"
    return "-" if item["default"] is None else _yaml(item["default"])


def _yaml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
