"""The published JSON Schema of form files: what an editor completes, explains and underlines."""

from typing import Any

from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.forms.faults import (
    KEY,
    MAX_RULE_NAME,
    MAX_RULE_QUESTIONS,
    MAX_RULES,
    NESTING_TYPES,
    RESERVED_RULES,
    SELECT_TYPES,
    SLUG,
)

__all__ = ["form_json_schema"]


def form_json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of form files, published as docs/form.schema.json. `read_form` finds more than a schema can say."""
    schema = FormDefinition.model_json_schema()
    parts = schema["$defs"]
    schema["properties"]["form"]["pattern"] = f"^{SLUG.pattern}$"
    schema["properties"]["questions"]["minItems"] = 1
    schema["required"] = [*schema["required"], "questions"]
    parts["Choice"]["properties"]["code"] |= {"pattern": "^[^\\s,;|]+$", "minLength": 1, "maxLength": 64}
    rule = parts["FormRule"]["properties"]
    rule["name"] |= {"pattern": f"^{SLUG.pattern}$", "maxLength": MAX_RULE_NAME, "not": {"enum": sorted(RESERVED_RULES)}}
    rule["questions"]["maxItems"] = MAX_RULE_QUESTIONS
    schema["properties"]["rules"]["maxItems"] = MAX_RULES
    question = parts["Question"]
    question["properties"]["key"]["pattern"] = f"^{KEY.pattern}$"
    question["allOf"] = [_only_for(sorted(SELECT_TYPES), "choices"), _only_for(sorted(NESTING_TYPES), "questions")]
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "collect-pipelines form"}
    return {**head, **{name: value for name, value in schema.items() if name != "title"}}


def _only_for(types: list[str], field: str) -> dict[str, Any]:
    """These types need the field, with something in it; the others must not have it."""
    return {
        "if": {"properties": {"type": {"enum": types}}, "required": ["type"]},
        "then": {"required": [field], "properties": {field: {"minItems": 1}}},
        "else": {"properties": {field: {"maxItems": 0}}},
    }
