"""Project files: every fault with file, line and the closest word, whatever is in them; no secret is ever shown."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from collect_pipelines.errors import ProjectInvalid
from collect_pipelines.project.planning import offline_plan
from collect_pipelines.project.reading import ProjectFile, read_project
from collect_pipelines.project.references import inline_secrets
from collect_pipelines.project.schema import project_json_schema
from tests.drawn import drawn

ROOT = Path(__file__).resolve().parents[2]
FORM = """\
form: visit
title: Visit
questions:
  - {key: place, type: text, label: Where}
  - {key: people, type: integer, label: How many}
"""
PROJECT = """\
forms:
  - visit.yaml
integrations:
  - name: visit-file
    form: visit
    kind: file
    config:
      format: csv
    mapping:
      filter: people > 3
      masks: {place: hash}
keys:
  - name: app
    scopes: [ingest]
    value: file:app.key
"""


def written(folder: Path, text: str | bytes, form: str = FORM) -> ProjectFile:
    (folder / "visit.yaml").write_text(form, "utf-8")
    path = folder / "collect.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return read_project(path)


def problems_of(folder: Path, text: str | bytes, form: str = FORM) -> list[str]:
    with pytest.raises(ProjectInvalid) as caught:
        written(folder, text, form)
    return [problem.removeprefix(f"{folder}/") for problem in caught.value.problems] or [caught.value.message]


def test_a_project_with_forms_integrations_and_keys_is_read(tmp_path: Path) -> None:
    file = written(tmp_path, PROJECT)

    assert list(file.forms) == ["visit"]
    assert file.project.integrations[0].mapping.filter == "people > 3"
    assert file.project.keys[0].scopes == ("ingest",)
    assert offline_plan(file).problems == ()


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [
        ("forms:", "form:", "collect.yaml:1: form: is not a field that is known here; did you mean `forms`?"),
        ("    kind: file", "    knd: file", "collect.yaml:6: integrations[0].knd: is not a field that is known here; did you mean `kind`?"),
        ("filter:", "filtr:", "collect.yaml:10: integrations[0].mapping.filtr: is not a field that is known here; did you mean `filter`?"),
        ("scopes:", "scope:", "collect.yaml:14: keys[0].scope: is not a field that is known here; did you mean `scopes`?"),
        ("[ingest]", "[ingets]", "collect.yaml:14: keys[0].scopes[0]: must be one of 'ingest', 'read' or 'admin'"),
        ("[ingest]", "[]", "collect.yaml:14: keys[0].scopes: must not be empty"),
        ("visit.yaml", "visits.yaml", "collect.yaml:2: forms[0]: there is no file"),
        ("visit.yaml", "../visit.yaml", "collect.yaml:2: forms[0]: must be a path from the project file downwards"),
        ("visit.yaml", "/etc/passwd", "collect.yaml:2: forms[0]: must be a path from the project file downwards"),
        ("- visit.yaml", "- [visit.yaml]", "collect.yaml:2: forms[0]: must be the path of a form file, or a whole form"),
        ("- visit.yaml", "- visit.yaml\n  - visit.yaml", "collect.yaml:3: forms[1]: the form `visit` is there twice"),
        ("    kind: file", "    kind: file\n    state: stopped", "collect.yaml:7: integrations[0].state: must be one of"),
        ("    kind: file", "    kind: file\n    start: yesterday", "collect.yaml:7: integrations[0].start: write all, now, since:"),
        ("name: visit-file", "name: ' x'", "collect.yaml:4: integrations[0].name: must be one line"),
        ("forms:", "organization: No Such!\nforms:", "collect.yaml:1: organization: an organization's slug has"),
        ("  - name: app", "  - {name: b, scopes: [read], value: 'file:app.key'}\n  - name: app", "keys[1].value: is where `b` is"),
        ("forms:", "forms: &a [*a]\nf:", "collect.yaml:1: *a contains itself"),
        ("forms:", "a: !!python/object:os.system x\nforms:", "collect.yaml:1: has a type tag"),
        ("forms:", "forms: x\nforms:", "`forms` is written twice"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_line_and_what_was_meant(tmp_path: Path, was: str, becomes: str, told: str) -> None:
    assert was in PROJECT

    assert any(told in problem for problem in problems_of(tmp_path, PROJECT.replace(was, becomes, 1)))


def test_a_fault_in_a_list_is_told_once(tmp_path: Path) -> None:
    assert len(problems_of(tmp_path, PROJECT.replace("[ingest]", "[ingets]"))) == 1


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [
        ("form: visit", "form: visti", "collect.yaml:5: integrations[0].form: there is no form `visti`; did you mean `visit`?"),
        ("kind: file", "kind: fiel", "collect.yaml:6: integrations[0].kind: No plug-in of kind 'fiel'"),
        ("format: csv", "formt: csv", "Did you mean format?"),
        ("format: csv", "format: xls", "collect.yaml:7: integrations[0].config: The configuration of file is not valid. format"),
        ("people > 3", "poeple > 3", "collect.yaml:10: integrations[0].mapping.filter"),
        ("{place: hash}", "{plaec: hash}", "collect.yaml:11: integrations[0].mapping.masks: the form has no question `plaec`; did"),
        ("{place: hash}", "{place: year}", "collect.yaml:11: integrations[0].mapping.masks: `place`"),
    ],
)  # fmt: skip
def test_what_does_not_fit_form_or_kind_is_told_without_a_database(tmp_path: Path, was: str, becomes: str, told: str) -> None:
    plan = offline_plan(written(tmp_path, PROJECT.replace(was, becomes, 1)))

    assert any(told in problem for problem in plan.problems), plan.problems


def test_faults_of_the_file_and_of_its_forms_are_told_at_once(tmp_path: Path) -> None:
    problems = problems_of(tmp_path, PROJECT.replace("kind: file", "knd: file"), FORM.replace("integer", "integr"))

    assert [problem.partition(": ")[0] for problem in problems] == ["collect.yaml:4", "collect.yaml:6", "visit.yaml:5"]


def test_a_form_may_be_written_out_and_its_faults_have_lines_of_this_file(tmp_path: Path) -> None:
    inline = "forms:\n  - form: visit\n    title: Visit\n    questions:\n      - {key: place, type: text, label: Where}\n"

    assert list(written(tmp_path, inline).forms) == ["visit"]
    (problem,) = problems_of(tmp_path, inline.replace("type: text", "type: txt"))
    assert problem.startswith("collect.yaml:5: questions[0].type:")


@pytest.mark.parametrize("text", ["", "- a", "x", "1", "a: b\n---\nc: d", "\x00", b"\xff", "a: [", "{" * 500, "x: " + "a" * 1_100_000])
def test_what_is_no_project_is_told(tmp_path: Path, text: str | bytes) -> None:
    (problem,) = problems_of(tmp_path, text)

    assert problem.startswith("collect.yaml:")
    assert "form is" not in problem


def test_a_form_file_that_leads_elsewhere_through_a_link_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "secret.yaml").write_text("canary: 1")
    (tmp_path / "inside" / "link.yaml").symlink_to(tmp_path / "secret.yaml")

    (problem,) = problems_of(tmp_path / "inside", "forms: [link.yaml]")

    assert "leads out of the folder" in problem
    assert "canary" not in problem


SECRETS = [
    ("headers", {"Authorization": "Bearer canary-0123456789"}),
    ("headers", {"X-Api-Key": "canary"}),
    ("password", "canary"),
    ("signing_secret", "canary"),
    ("url", "https://user:canary@example.org/"),
    ("url", "https://hooks.slack.com/services/T0/B0/canary"),
    ("note", "whsec_canaryCanary0123456789"),
    ("note", "cp_live_canaryCanary0123456789"),
    ("note", "-----BEGIN RSA PRIVATE KEY-----\ncanary"),
    ("list", [{"deep": "AKIACANARYCANARY0123"}]),
    ("token", ["canary"]),
    ("auth_token", {"value": "canary"}),
]


@pytest.mark.parametrize(("name", "value"), SECRETS)
def test_a_secret_written_out_is_refused_and_never_shown(tmp_path: Path, name: str, value: Any) -> None:
    text = f"integrations:\n  - name: hook\n    form: visit\n    kind: webhook\n    config: {json.dumps({name: value})}\n"

    (problem,) = problems_of(tmp_path, text)

    assert problem.startswith(f"collect.yaml:5: integrations[0].config: {name}")
    assert "looks like a secret" in problem
    assert "canary" not in problem.lower()


@pytest.mark.parametrize(
    "config",
    [
        {"secret": "env:HOOK", "headers": {"Authorization": "stored:auth"}, "previous_secret": "file:/run/secrets/old"},
        {"provider": {"headers": {"Authorization": "Bearer stored:gateway"}}},
        {"credentials": "/srv/google.json", "token_url": "https://example.org/token", "sheet": "1AbCdEfGhIjKlMnOpQrStUvWxYz0123456789abcd"},
        {"url": "https://example.org/hook?source=forms", "folder": "/srv/lake", "password": ""},
    ],
)  # fmt: skip
def test_references_paths_and_addresses_are_no_secrets(config: dict[str, Any]) -> None:
    assert inline_secrets(config) == []


@pytest.mark.parametrize("value", ["cp_live_canary", "canary", "stored:canary", "env:", "file:", ":canary"])
def test_a_key_is_never_in_the_file(tmp_path: Path, value: str) -> None:
    (problem,) = problems_of(tmp_path, f"keys:\n  - {{name: app, scopes: [ingest], value: '{value}'}}\n")

    assert problem.startswith("collect.yaml:2: keys[0].value: must say where the key is")
    assert "canary" not in problem


WORDS = ("forms", "integrations", "keys", "name", "form", "kind", "config", "mapping", "filter", "columns", "masks", "scopes", "value", "x")
plain = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
documents = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4), max_leaves=12
)


@drawn(50)
@given(data=documents)
def test_no_document_ends_in_anything_but_a_project_or_its_faults(data: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp() / "any"
    folder.mkdir(exist_ok=True)
    (folder / "collect.yaml").write_text(json.dumps(data), "utf-8", "surrogatepass")
    try:
        offline_plan(read_project(folder / "collect.yaml"))
    except ProjectInvalid as exc:
        assert exc.problems


def test_the_published_schema_is_the_one_of_today_and_takes_what_is_read(tmp_path: Path) -> None:
    schema = project_json_schema()

    assert json.loads((ROOT / "docs" / "project.schema.json").read_text("utf-8")) == schema
    Draft202012Validator.check_schema(schema)
    assert not list(Draft202012Validator(schema).iter_errors(YAML(typ="safe").load(PROJECT)))
    assert list(Draft202012Validator(schema).iter_errors({"integrations": [{"name": "x"}], "nothing": 1}))
