"""Through a real Postgres: what enters the filter, what leaves it, and what a changed mapping does to batches and to what was sent."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from sqlalchemy import text

from collect_pipelines.destinations.interface import Batch, Capability, Delivery, OnDelete, Outcome
from collect_pipelines.errors import ConfigInvalid, TryLater
from collect_pipelines.forms.columns import masked_name, physical_name
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.model import Operation, Submission
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import publish_form
from collect_pipelines.store.integrations import set_integration_state
from collect_pipelines.store.leases import release_lease, take_lease
from collect_pipelines.sync.mapping.reading import read_mapping
from collect_pipelines.sync.mapping.saving import Saved, change_integration
from collect_pipelines.sync.preview import preview
from collect_pipelines.sync.trial import try_out
from tests.integration.sync_tools import QUESTIONS, Scene, Shelf, on_shelf, one_database, scene, shelf, submission

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all tests: their database knows secrets of one key file."""
    return tmp_path_factory.mktemp("mapping")


ADULTS = {"filter": "age >= 18"}
AGE, NAME, CROP = (physical_name(key) for key in ("age", "name", "crop"))


class Keyed(Shelf):
    """One row per response, as its last revision left it."""

    supports: ClassVar[frozenset[Capability]] = frozenset({"upsert", "delete", "append"})
    deletes: ClassVar[tuple[OnDelete, ...]] = ("delete", "tombstone")
    keyed: ClassVar[bool] = True


@pytest.fixture(scope="module")
def database(postgres: "EmbeddedPostgres", template_database: str) -> Iterator[Database]:
    with one_database(postgres, template_database) as opened:
        yield opened


def deliver(it: Scene, kind: type[Shelf] = Keyed) -> None:
    """Everything that can be sent now."""
    it.validate()
    worker = it.courier(kind)
    while (report := worker.deliver(it.integration_id)) is not None:
        assert report.outcome == "delivered", report.message
    worker.close()


def postpone(it: Scene) -> None:
    """The next batch is planned, and stays open."""

    def later(batch: Batch) -> Delivery:
        raise TryLater("not now", after=0.0)

    worker = it.courier(type("Away", (Keyed,), {"before": staticmethod(later)}))
    assert worker.deliver(it.integration_id).outcome == "postponed"  # type: ignore[union-attr]
    worker.close()


def send(it: Scene, *steps: tuple[Any, ...]) -> None:
    """Responses as (id, age), edits as (id, age, replaced revision), deletions as (id, None, replaced revision)."""
    made: list[Submission] = []
    for response, age, *replaced in steps:
        if any(one.response_id == response for one in made):
            _accept(it, made)
            made = []
        operation: Operation = "create" if not replaced else "delete" if age is None else "edit"
        answers = {} if age is None else {"name": response, "age": age}
        made.append(submission(it.form_id, response, answers, operation, *replaced))
    _accept(it, made)


def _accept(it: Scene, made: list[Submission]) -> None:
    assert {accepted.outcome for accepted in it.accept(*made)} <= {"accepted"}


def rows(it: Scene) -> list[tuple[str, int, str]]:
    return [(response, revision, operation) for response, revision, operation in on_shelf(it.path)]


def change(it: Scene, document: dict[str, Any], language: str | None = None, kind: type[Shelf] = Keyed) -> Saved:
    settings = Settings(data_dir=it.path.parent)
    with it.database.begin() as connection:
        integration, mapping = it.integration, read_mapping(document)
        return change_integration(
            connection, settings, integration, config=integration.config, mapping=mapping, language=language, finder=lambda _: kind
        )


def test_only_what_passes_the_filter_goes_out_and_the_rest_is_counted(database: Database, folder: Path) -> None:
    it = scene(database, folder, mapping=ADULTS)
    send(it, ("asha", 30), ("ravi", 3), ("mira", None))
    deliver(it)

    assert rows(it) == [("asha", 1, "create")]
    assert it.accounted() == {"delivered": 1, "filtered": 2}


def test_an_edit_that_leaves_the_filter_arrives_as_a_deletion_and_one_that_enters_as_a_creation(database: Database, folder: Path) -> None:
    it = scene(database, folder, mapping=ADULTS)
    send(it, ("leaves", 30), ("enters", 3), ("stays", 40), ("never", 5))
    deliver(it)
    send(it, ("leaves", 3, 1), ("enters", 30, 1), ("stays", 41, 1), ("never", 6, 1))
    deliver(it)
    send(it, ("leaves", 4, 2), ("leaves", 31, 3), ("enters", None, 2), ("never", None, 2))
    deliver(it)

    assert rows(it) == [
        ("leaves", 1, "create"), ("stays", 1, "create"),
        ("leaves", 2, "delete"), ("enters", 2, "create"), ("stays", 2, "edit"),
        ("leaves", 4, "create"), ("enters", 3, "delete"),
    ]  # fmt: skip
    assert it.accounted() == {"delivered": 8, "filtered": 4}


def test_what_leaves_the_filter_loses_its_answers(database: Database, folder: Path) -> None:
    it = scene(database, folder, mapping=ADULTS)
    send(it, ("leaves", 30))
    deliver(it)
    send(it, ("leaves", 3, 1))
    deliver(it)

    contents = [json.loads(content) for (content,) in on_shelf(it.path, "select content from rows order by rowid")]
    assert [content[AGE] for content in contents] == [30, None]


@pytest.mark.parametrize("kind", [shelf(supports=frozenset({"upsert"})), Keyed], ids=["can't delete", "ignores deletions"])
def test_where_nothing_is_taken_back_what_leaves_the_filter_is_filtered(database: Database, folder: Path, kind: type[Shelf]) -> None:
    mapping = ADULTS if kind is not Keyed else {**ADULTS, "on_delete": "ignore"}
    it = scene(database, folder, mapping=mapping)
    send(it, ("asha", 30), ("ravi", 40))
    deliver(it, kind)
    send(it, ("asha", 3, 1), ("ravi", None, 1))
    deliver(it, kind)

    assert rows(it) == [("asha", 1, "create"), ("ravi", 1, "create")]
    assert it.accounted() == {"delivered": 2, "filtered": 2}


def test_a_revision_held_back_by_validation_neither_enters_nor_leaves(database: Database, folder: Path) -> None:
    it = scene(database, folder, mapping=ADULTS)
    send(it, ("asha", 30), ("ravi", 3))
    deliver(it)
    send(it, ("asha", 3, 1), ("ravi", 30, 1))
    it.validate(3, 4)
    send(it, ("asha", 4, 2), ("ravi", 5, 2))
    deliver(it)

    assert rows(it) == [("asha", 1, "create"), ("asha", 3, "delete")]
    assert it.accounted() == {"delivered": 2, "filtered": 2, "quarantined": 2}


def test_a_deletion_that_was_refused_is_tried_again_by_the_next_edit(database: Database, folder: Path) -> None:
    it = scene(database, folder, mapping=ADULTS)
    send(it, ("asha", 30))
    deliver(it)
    send(it, ("asha", 3, 1))

    def refuse(batch: Batch) -> Delivery:
        return Delivery((Outcome.refused("no"),) * batch.frame.height)

    it.validate()
    worker = it.courier(type("Refusing", (Keyed,), {"after": staticmethod(refuse)}))
    worker.deliver(it.integration_id)
    worker.close()
    send(it, ("asha", 4, 2))
    deliver(it)

    assert [row for row in rows(it) if row[2] == "delete"] == [("asha", 2, "delete"), ("asha", 3, "delete")]


def test_what_was_delivered_under_an_earlier_filter_is_still_taken_back(database: Database, folder: Path) -> None:
    it = scene(database, folder)
    send(it, ("child", 3), ("other", 4))
    deliver(it)
    change(it, ADULTS)
    send(it, ("child", None, 1), ("other", 5, 1), ("late", 6))
    deliver(it)
    send(it, ("late", None, 1))
    deliver(it)

    assert rows(it)[2:] == [("child", 2, "delete"), ("other", 2, "delete"), ("late", 2, "delete")]


def test_what_the_first_batch_delivers_under_the_filter_of_before_is_still_taken_back(database: Database, folder: Path) -> None:
    it = scene(database, folder)
    send(it, ("child", 3))
    it.validate()
    postpone(it)
    change(it, ADULTS)
    deliver(it)
    send(it, ("child", None, 1))
    deliver(it)

    assert rows(it) == [("child", 1, "create"), ("child", 2, "delete")]


def test_a_filter_under_which_nothing_was_sent_takes_nothing_back(database: Database, folder: Path) -> None:
    it = scene(database, folder)
    change(it, {"filter": "age >= 65"})
    change(it, ADULTS)
    send(it, ("child", 3), ("old", 70))
    deliver(it)
    send(it, ("child", None, 1))
    deliver(it)

    assert rows(it) == [("old", 1, "create")]


def test_a_filter_that_a_worker_may_have_read_already_counts_as_one_of_before(database: Database, folder: Path) -> None:
    it = scene(database, folder)
    with database.begin() as connection:
        lease = take_lease(connection, f"integration:{it.integration_id}", "a worker that is about to plan its first batch")
    assert lease is not None
    change(it, ADULTS)
    with database.begin() as connection:
        release_lease(connection, lease)
    send(it, ("child", 3))
    deliver(it)
    send(it, ("child", None, 1))
    deliver(it)

    assert rows(it) == [("child", 2, "delete")]


def test_every_revision_is_a_row_where_rows_are_only_appended(database: Database, folder: Path) -> None:
    it = scene(database, folder, mapping={**ADULTS, "mode": "append_only"})
    send(it, ("asha", 30), ("asha", 31, 1), ("asha", 3, 2), ("asha", 4, 3), ("asha", 32, 4), ("asha", None, 5))
    deliver(it)

    assert rows(it) == [
        ("asha", 1, "create"), ("asha", 2, "edit"), ("asha", 3, "delete"), ("asha", 5, "create"), ("asha", 6, "delete"),
    ]  # fmt: skip
    assert it.accounted() == {"delivered": 5, "filtered": 1}


def test_the_mapping_chooses_renames_and_masks_the_columns_that_arrive(database: Database, folder: Path) -> None:
    mapping = {"columns": [{"question": "age", "heading": "Years"}, "name"], "masks": {"name": "hash"}}
    it = scene(database, folder)
    change(it, mapping)
    seen: list[Batch] = []
    kind = type("Seeing", (Keyed,), {"before": staticmethod(seen.append)})
    send(it, ("Asha Rao", 30))
    deliver(it, kind)

    (batch,) = seen
    assert [(column.label, column.name) for column in batch.columns] == [("Years", AGE), ("Name (hash)", masked_name("name", "hash"))]
    assert batch.frame.columns[-2:] == [AGE, masked_name("name", "hash")]
    assert (batch.on_delete, batch.append_only, batch.time_zone, batch.purpose) == ("delete", False, "UTC", "live")
    assert "Asha" not in batch.frame.drop("_response_id").write_ndjson()


def test_the_digest_of_an_answer_is_the_same_in_all_forms_of_an_organization(database: Database, folder: Path) -> None:
    digests = []
    for _ in range(2):
        it = scene(database, folder)
        change(it, {"masks": {"name": "hash"}})
        send(it, ("Asha", 30))
        deliver(it)
        digests.append(json.loads(on_shelf(it.path, "select content from rows")[0][0])[masked_name("name", "hash")])

    assert digests[0] == digests[1]
    assert len(digests[0]) == 64


def test_a_batch_goes_out_as_it_was_planned_although_the_mapping_was_changed(database: Database, folder: Path) -> None:
    it = scene(database, folder)
    send(it, ("asha", 30), ("ravi", 3))
    it.validate()
    postpone(it)
    change(it, {**ADULTS, "exclude": ["name"]}, language="hi")
    deliver(it)

    assert rows(it) == [("asha", 1, "create"), ("ravi", 1, "create")]
    assert NAME in json.loads(on_shelf(it.path, "select content from rows")[0][0])


def test_a_filter_that_no_longer_fits_the_form_blocks_its_integration_and_says_what_to_do(database: Database, folder: Path) -> None:
    it, other = scene(database, folder, mapping=ADULTS), scene(database, folder)
    send(it, ("asha", 30))
    send(other, ("asha", 30))
    # publishing refuses such a change; a restored or repaired database may hold one all the same
    changed = "jsonb_set(definition::jsonb, '{questions,1}', :question)"
    retype = text(f"update collect.form_version set definition = {changed} where form_id = :form")
    question = json.dumps({"key": "age", "type": "text", "label": {"en": "Age"}})
    with database.begin() as connection:
        connection.execute(retype, {"question": question, "form": it.form_id})
    it.validate()
    report = it.courier(Keyed).deliver(it.integration_id)
    deliver(other)

    assert report is not None and report.outcome == "blocked"
    assert it.integration.state == "blocked"
    assert "filter: column 5: `>=` does not go with a text and an integer" in str(it.integration.reason)
    assert f"collect integrations set {it.integration.name} --filter ...`" in str(it.integration.fix)
    assert rows(it) == [] and it.accounted() == {"pending": 1}
    trial = try_out(database, Settings(data_dir=folder), it.integration_id, finder=lambda kind: Keyed)
    assert [(step.name, step.ok) for step in trial.faults] == [("mapping", False)]

    change(it, {"filter": 'age != "3"'})
    with database.begin() as connection:
        set_integration_state(connection, it.integration_id, "active")
    deliver(it)
    assert rows(it) == [("asha", 1, "create")]


def test_a_lost_key_of_hash_masks_blocks_instead_of_changing_every_digest(database: Database, folder: Path) -> None:
    it = scene(database, folder)
    change(it, {"masks": {"name": "hash"}})
    rename = text("update collect.secret set name = :now where name = :before")
    with database.begin() as connection:
        connection.execute(rename, {"before": "mask-hash", "now": "mislaid"})
    send(it, ("asha", 30))
    it.validate()
    worker = it.courier(Keyed)
    report = worker.deliver(it.integration_id)
    worker.close()
    with database.begin() as connection:
        connection.execute(rename, {"before": "mislaid", "now": "mask-hash"})

    assert report is not None and report.outcome == "blocked"
    assert "mask-hash" in str(it.integration.reason)


def test_a_renamed_question_keeps_filter_mask_and_column(database: Database, folder: Path) -> None:
    it = scene(database, folder, "renamed", mapping={**ADULTS, "columns": ["age", "name"]})
    send(it, ("asha", 30))
    deliver(it)
    questions: list[dict[str, Any]] = QUESTIONS  # type: ignore[assignment]  # a list of documents
    renamed = [{**question, "key": "years", "was": ["age"]} if question["key"] == "age" else question for question in questions]
    form = FormDefinition.model_validate({"form": "renamed", "title": "Renamed", "languages": ["en", "hi"], "questions": renamed})
    with database.begin() as connection:
        publish_form(connection, "default", form)
    it.accept(submission(it.form_id, "ravi", {"name": "ravi", "years": 40}, version=2))
    it.accept(submission(it.form_id, "mira", {"name": "mira", "years": 4}, version=2))
    it.accept(submission(it.form_id, "late", {"name": "late", "age": 50}, version=1))
    deliver(it)

    contents = [json.loads(content) for (content,) in on_shelf(it.path, "select content from rows order by rowid")]
    assert contents == [{AGE: 30, NAME: "asha"}, {AGE: 40, NAME: "ravi"}, {AGE: 50, NAME: "late"}]


def test_a_change_that_does_not_fit_is_refused_and_nothing_is_stored(database: Database, folder: Path) -> None:
    it = scene(database, folder, mapping=ADULTS)

    with pytest.raises(ConfigInvalid, match="agee"):
        change(it, {"filter": "agee > 1"})
    assert it.integration.mapping == ADULTS


def test_a_preview_shows_what_goes_out_and_says_why_the_rest_does_not(database: Database, folder: Path) -> None:
    it = scene(database, folder, mapping=ADULTS)
    send(it, ("asha", 30), ("ravi", 3), ("asha", 31, 1), ("held", 40), ("gone", 50))
    it.accept(submission(it.form_id, "mira", {"name": "mira"}))
    it.validate(4)
    shown = preview(database, Settings(data_dir=folder), it.integration_id, 10, finder=lambda kind: Keyed)

    assert shown.rows == 2
    assert [json.loads(line)["_response_id"] for line in shown.text.splitlines()] == ["asha", "gone"]
    assert [(one.response_id, one.revision, one.why) for one in shown.left_out] == [
        ("asha", 1, "revision 2 stands for it"),
        ("ravi", 1, "the filter is not true"),
        ("held", 1, "held back by validation: test"),
        ("mira", 1, "the filter can't be decided: there is no answer to `age`"),
    ]
    one = preview(database, Settings(data_dir=folder), it.integration_id, response_id="ravi", finder=lambda kind: Keyed)
    assert (one.rows, one.text) == (0, "")
    assert it.accounted() == {"pending": 6}


@pytest.mark.parametrize("seed", range(2))
def test_whatever_is_written_edited_held_and_deleted_the_destination_ends_with_what_passes(
    database: Database, folder: Path, seed: int
) -> None:
    chance = random.Random(seed)
    it = scene(database, folder, mapping=ADULTS)
    kinds: list[type[Shelf]] = [Keyed, shelf(max_rows=2, deletes=("delete",))]
    last: dict[str, tuple[int, int | None]] = {}  # revision and age; None when deleted
    passing: dict[str, int] = {}  # by response: the revision that counts
    for _ in range(12):
        held, steps, position = [], [], it.ledger.accepted
        for response in chance.sample([f"r{number}" for number in range(12)], chance.randrange(1, 9)):
            revision, age = last.get(response, (0, 0))
            if age is None:
                continue
            fresh = None if revision and chance.random() < 0.15 else chance.choice([3, 17, 18, 40])
            steps.append((response, fresh, revision) if revision else (response, fresh))
            last[response], position = (revision + 1, fresh), position + 1
            if chance.random() < 0.2:
                held.append(position)
            elif fresh is not None and fresh >= 18:
                passing[response] = revision + 1
            else:
                passing.pop(response, None)
        send(it, *steps)
        it.validate(*held)
        if chance.random() < 0.7:
            deliver(it, chance.choice(kinds))
    deliver(it)

    standing: dict[str, int] = {}
    for response, revision, operation in rows(it):
        assert revision > standing.get(response, 0), "an older revision after a newer one"
        standing[response] = revision
        if operation == "delete":
            assert standing.pop(response)
    assert standing == passing
    assert "pending" not in it.accounted()


def test_a_destination_that_asks_is_told_of_which_responses_it_had_an_earlier_revision(database: Database, folder: Path) -> None:
    told: list[frozenset[str]] = []

    def note(batch: Batch) -> Delivery:
        told.append(batch.known)
        refused = Outcome.refused("No such row.")
        outcomes = tuple(
            refused if (response, revision) == ("refused", 1) else Outcome.delivered()
            for response, revision in batch.frame.select("_response_id", "_revision").iter_rows()
        )
        return Delivery(outcomes)

    asking = type("Asking", (Keyed,), {"before": staticmethod(note), "asks_known": True})
    it = scene(database, folder, mapping=ADULTS)
    send(it, ("stays", 30), ("enters", 3), ("deleted", 50), ("refused", 60))
    deliver(it, asking)
    send(it, ("stays", 31, 1), ("enters", 30, 1), ("deleted", None, 1), ("refused", 61, 1), ("new", 40))
    deliver(it, asking)
    send(it, ("stays", 32, 2), ("new", 41, 1), ("refused", 62, 2))
    deliver(it, asking)

    assert told == [frozenset(), {"stays", "deleted"}, {"stays", "new", "refused"}]


def test_an_edit_of_a_response_from_before_the_start_is_of_one_that_was_never_there(database: Database, folder: Path) -> None:
    told: list[frozenset[str]] = []

    def note(batch: Batch) -> None:
        told.append(batch.known)

    asking = type("Asking", (Keyed,), {"before": staticmethod(note), "asks_known": True})
    it = scene(database, folder)
    send(it, ("old", 30), ("new", 31))
    it.validate()
    with database.begin() as connection:
        counts = "cursor = 1, filtered = 1, start_position = 1"
        connection.execute(text(f"update collect.integration set {counts} where integration_id = {it.integration_id}"))
    deliver(it, asking)
    send(it, ("old", 32, 1), ("new", 33, 1))
    deliver(it, asking)

    assert told == [frozenset(), {"new"}]
