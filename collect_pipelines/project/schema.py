"""The published JSON Schema of project files: what an editor completes, explains and underlines."""

from typing import Any

from collect_pipelines.forms.faults import SLUG
from collect_pipelines.project.model import Project

__all__ = ["project_json_schema"]

KEY_REFERENCE = "^(env|file):.+$"
START = r"^(all|now|since:\d{4}-\d{2}-\d{2}.*)$"


def project_json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of project files, published as docs/project.schema.json. `read_project` finds more than a schema can say."""
    schema = Project.model_json_schema()
    parts = schema["$defs"]
    integration = parts["IntegrationEntry"]["properties"]
    integration["form"]["pattern"] = f"^{SLUG.pattern}$"
    integration["start"]["pattern"] = START
    parts["KeyEntry"]["properties"]["value"]["anyOf"][0]["pattern"] = KEY_REFERENCE
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "collect-pipelines project"}
    return {**head, **{name: value for name, value in schema.items() if name != "title"}}
