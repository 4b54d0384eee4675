"""Whatever is stored, its export planned right after changes nothing; and applied to another organization it makes the same again."""

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.project.applying import apply_plan
from collect_pipelines.project.exporting import export_project
from collect_pipelines.project.planning import make_plan
from collect_pipelines.project.reading import read_project
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import find_form, form_reference, publish_form
from collect_pipelines.store.integrations import set_integration_state
from collect_pipelines.store.keys import create_key
from collect_pipelines.sync.mapping.model import MappingConfig
from collect_pipelines.sync.mapping.saving import create_integration

if TYPE_CHECKING:
    from collections.abc import Iterator

NUMBERS = itertools.count()
KEYS = ("place", "people", "day", "crops")

words = st.text(alphabet="aZ9 -_.#:'\"\\{}[]&*!|>%@`,?=~ \u0928\u092e\u00e9\U0001f33e", min_size=1, max_size=12).map(str.strip).filter(bool)
names = st.lists(words, unique=True, max_size=3)


@st.composite
def definitions(draw: st.DrawFn, slug: str) -> FormDefinition:
    questions: list[dict[str, Any]] = [
        {"key": "place", "type": "text", "label": draw(words), "pii": "direct"},
        {"key": "people", "type": "integer", "label": draw(words), "min": draw(st.integers(-5, 0))},
        {"key": "day", "type": "date", "label": draw(words)},
        {"key": "crops", "type": "select_multiple", "label": draw(words), "choices": [{"code": "yes", "label": draw(words)}]},
    ]
    return FormDefinition.model_validate(
        {"form": slug, "title": draw(words), "questions": questions, "metadata": {draw(words): draw(words)}}
    )


@st.composite
def mappings(draw: st.DrawFn) -> MappingConfig:
    exclude = draw(st.lists(st.sampled_from(KEYS), unique=True, max_size=2))
    left = [key for key in KEYS if key not in exclude]
    document: dict[str, Any] = {
        "exclude": exclude,
        "masks": draw(st.dictionaries(st.sampled_from(("place", "people")), st.sampled_from(("hash", "last4")), max_size=2)),
        "values": draw(st.sampled_from((None, "labels", "codes"))),
        "filter": draw(st.sampled_from((None, "people > 3", "place != 'no: #1'"))),
        "time_zone": draw(st.sampled_from((None, "Asia/Kolkata"))),
        "mode": draw(st.sampled_from(("upsert", "append_only"))),
        "on_delete": draw(st.sampled_from((None, "tombstone", "ignore"))),
    }
    if draw(st.booleans()):
        document["columns"] = [{"question": key, "heading": draw(st.none() | words)} for key in draw(st.permutations(left))]
        document["exclude"] = []
    return MappingConfig.model_validate(document)


@st.composite
def organizations(draw: st.DrawFn) -> dict[str, Any]:
    forms = [draw(definitions(slug)) for slug in draw(st.lists(st.sampled_from(("visit", "yes", "a-b_c")), unique=True, max_size=2))]
    integrations = [
        {
            "name": name,
            "form": draw(st.sampled_from(forms)).form,
            "kind": "file",
            "config": draw(st.sampled_from(({}, {"format": "csv", "name": "null"}, {"most_megabytes": 5, "group_readable": True}))),
            "mapping": draw(mappings()),
            "language": draw(st.sampled_from((None, "hi"))),
            "paused": draw(st.booleans()),
        }
        for name in (draw(names) if forms else [])
    ]
    scopes = st.frozensets(st.sampled_from(("ingest", "read", "admin")), min_size=1)
    return {"forms": forms, "integrations": integrations, "keys": [(name, draw(scopes)) for name in draw(names)]}


@pytest.fixture(scope="module")
def shared(postgres: Any, template_database: str) -> "Iterator[Database]":
    from tests.integration.sync_tools import one_database

    with one_database(postgres, template_database) as database:
        yield database


def stored(database: Database, chosen: Settings, organization: str, what: dict[str, Any]) -> None:
    with database.begin() as connection:
        for form in what["forms"]:
            publish_form(connection, organization, form)
        for one in what["integrations"]:
            form = find_form(connection, form_reference(organization, one["form"]))
            made = create_integration(
                connection, chosen, form, one["name"], one["kind"], one["config"], one["mapping"], language=one["language"]
            )
            if one["paused"]:
                set_integration_state(connection, made.integration.integration_id, "paused")
        for name, scopes in what["keys"]:
            create_key(connection, organization, name, scopes)


@pytest.mark.parametrize("inline", [True, False])
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(what=organizations())
def test_the_export_of_anything_changes_nothing(shared: Database, tmp_path: Path, inline: bool, what: dict[str, Any]) -> None:
    organization, folder = f"org-{next(NUMBERS)}", tmp_path / f"{next(NUMBERS)}"
    chosen = Settings(data_dir=tmp_path.parent / "data")  # one key file for the one database
    stored(shared, chosen, organization, what)

    with shared.begin() as connection:
        files = export_project(connection, organization, inline=inline)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    file = read_project(folder / "collect.yaml")

    with shared.begin() as connection:
        plan = make_plan(connection, file, prune=True)
    assert (plan.changes, plan.problems) == ((), ())

    # in another place it makes the same again, but for the keys, which nobody can copy
    other = f"org-{next(NUMBERS)}"
    text = (folder / "collect.yaml").read_text("utf-8").replace(f"organization: {organization}\n", f"organization: {other}\n")
    (folder / "collect.yaml").write_text(text.partition("\nkeys:\n")[0] + "\n", "utf-8")
    apply_plan(shared, chosen, read_project(folder / "collect.yaml"))
    with shared.begin() as connection:
        again = export_project(connection, other, inline=inline)
    assert again["collect.yaml"].strip() == (folder / "collect.yaml").read_text("utf-8").strip()
