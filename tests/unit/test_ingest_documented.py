"""docs/http.md and /openapi.json tell every route and every problem code, and nothing else."""

import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from collect_pipelines.ingest.openapi import SCHEMAS, document
from collect_pipelines.ingest.problems import PROBLEMS, Problem
from collect_pipelines.ingest.routes import ROUTES, find_route
from collect_pipelines.telemetry.ingest_metrics import INGEST_METRICS

PAGE = (Path(__file__).parents[2] / "docs/http.md").read_text("utf-8")


def test_every_problem_code_is_in_the_docs_as_it_is() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (\d{3}) \| (.+) \|$", PAGE, re.MULTILINE)

    assert rows == [(code, str(kind.status), f"{kind.title}. {kind.next_step}") for code, kind in PROBLEMS.items()]


def test_every_route_is_in_the_docs_with_its_scope() -> None:
    rows = re.findall(r"^\| `([A-Z]+) (/[^`]*)` \| (`[a-z]+`|-) \|", PAGE, re.MULTILINE)

    assert rows == [(route.method, route.template, f"`{route.scope}`" if route.scope else "-") for route in ROUTES]


def test_every_metric_is_in_the_docs() -> None:
    assert set(INGEST_METRICS) <= set(re.findall(r"`(collect_[a-z_]+)`", PAGE))


def test_every_route_is_found_by_its_path() -> None:
    for route in ROUTES:
        found, parameters = find_route(route.method, route.template.replace("{", "").replace("}", ""))

        assert found is route
        assert parameters == {name: name for name in re.findall(r"\{([a-z]+)\}", route.template)}


@pytest.mark.parametrize("path", ["", "/", "//", "/v1", "/v1/forms/", "/v1/forms//responses", "/v1/forms/a/responses/", "/v1/responses"])
def test_a_path_that_is_none_is_unknown(path: str) -> None:
    with pytest.raises(Problem) as refused:
        find_route("GET", path)

    assert refused.value.code == "unknown-path"


def test_the_openapi_document_is_sound() -> None:
    made = document(ROUTES)

    operations = [operation for path in made["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations) == sum(not route.page for route in ROUTES)
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)
    named = set(re.findall(r"#/components/schemas/(\w+)", str(made)))
    assert named == set(SCHEMAS)


def test_every_code_says_what_to_do_next() -> None:
    for code, kind in PROBLEMS.items():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)
        assert kind.next_step and not kind.title.endswith(".")
        assert kind.retryable == (kind.status in (408, 500, 503))
