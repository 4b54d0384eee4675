"""Forms and their versions: found by reference, published as immutable versions by content hash."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert

from collect_pipelines.errors import NotFound
from collect_pipelines.forms.definition import FormDefinition, Question
from collect_pipelines.model import FormState
from collect_pipelines.store.audit import record_audit
from collect_pipelines.store.organizations import DEFAULT_ORGANIZATION, ensure_organization
from collect_pipelines.store.tables import form, form_version, organization, question

__all__ = [
    "FormRecord",
    "Published",
    "VersionRecord",
    "find_form",
    "form_by_id",
    "form_reference",
    "form_versions",
    "list_forms",
    "publish_form",
    "set_form_state",
]


@dataclass(frozen=True, slots=True)
class FormRecord:
    """A form as it stands: its newest version's number and how far its log and validation are."""

    form_id: int
    organization_id: int
    organization: str
    slug: str
    reference: str
    """`household`; `other.household` when the organization is not the default one."""
    title: dict[str, str]
    state: FormState
    head: int
    validated_through: int
    version: int


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """One published version."""

    form_id: int
    version: int
    definition: FormDefinition
    content_hash: str
    published_at: datetime


@dataclass(frozen=True, slots=True)
class Published:
    """What publishing did; `created` is False when the newest version has the same content."""

    form_id: int
    version: int
    created: bool


def form_reference(organization: str, slug: str) -> str:
    """How people name the form: the slug, with its organization in front unless that is the default one."""
    return slug if organization == DEFAULT_ORGANIZATION else f"{organization}.{slug}"


def publish_form(connection: Connection, organization: str, definition: FormDefinition, actor: str = "cli") -> Published:
    """
    Makes the form when it is new, and a new version when the content differs from the newest one.

    Raises FormIncompatible when the version would change the meaning of answers already stored.
    """
    form_id = _lock_form(connection, ensure_organization(connection, organization), definition)
    earlier = form_versions(connection, form_id)
    if earlier and earlier[-1].content_hash == definition.content_hash:
        return Published(form_id, earlier[-1].version, created=False)
    if earlier:
        from collect_pipelines.forms.compatibility import check_compatible

        check_compatible([version.definition for version in earlier], definition)
    number = len(earlier) + 1
    _insert_version(connection, form_id, number, definition)
    connection.execute(update(form).where(form.c.form_id == form_id).values(title=definition.title, metadata=definition.metadata))
    reference = form_reference(organization, definition.form)
    record_audit(connection, actor, "form.publish", reference, {"version": number, "content_hash": definition.content_hash})
    return Published(form_id, number, created=True)


def find_form(connection: Connection, reference: str, organization: str | None = None) -> FormRecord:
    """
    The form with this reference: `household`, or `other.household`; a bare slug is looked for in `organization`.

    Raises NotFound, also for a form of another organization than the one given.
    """
    owner, separator, slug = reference.rpartition(".")
    wanted = owner if separator else organization or DEFAULT_ORGANIZATION
    if organization is None or wanted == organization:
        query = _FORMS.where(_FORMS.selected_columns.organization == wanted, form.c.slug == slug)
        for record in _records(connection, query):
            return record
    raise NotFound(f"There is no form {reference!r}.", fix="`collect forms list` shows them; `collect forms publish FILE` makes one.")


def form_by_id(connection: Connection, form_id: int) -> FormRecord:
    """The form with this number. Raises NotFound."""
    for record in _records(connection, _FORMS.where(form.c.form_id == form_id)):
        return record
    raise NotFound(f"There is no form number {form_id}.", fix="`collect forms list` shows them.")


def list_forms(connection: Connection, organization: str | None = None) -> list[FormRecord]:
    """All forms by reference; of one organization when it is named."""
    query = _FORMS if organization is None else _FORMS.where(_FORMS.selected_columns.organization == organization)
    return sorted(_records(connection, query), key=lambda record: record.reference)


def set_form_state(connection: Connection, form_id: int, state: FormState) -> None:
    """Opens, closes or archives the form; only an open one takes new responses and edits. Raises NotFound."""
    if not connection.execute(update(form).where(form.c.form_id == form_id).values(state=state)).rowcount:
        raise NotFound(f"There is no form number {form_id}.", fix="`collect forms list` shows them.")


def form_versions(connection: Connection, form_id: int, up_to: int | None = None) -> list[VersionRecord]:
    """The form's versions, oldest first; none after `up_to` when it is given."""
    query = select(form_version).where(form_version.c.form_id == form_id).order_by(form_version.c.version)
    if up_to is not None:
        query = query.where(form_version.c.version <= up_to)
    return [
        VersionRecord(row.form_id, row.version, FormDefinition.model_validate(row.definition), row.content_hash, row.published_at)
        for row in connection.execute(query)
    ]


_NEWEST = select(func.max(form_version.c.version)).where(form_version.c.form_id == form.c.form_id).scalar_subquery()
_FORMS = select(
    form.c.form_id,
    form.c.organization_id,
    organization.c.slug.label("organization"),
    form.c.slug,
    form.c.title,
    form.c.state,
    form.c.head,
    form.c.validated_through,
    _NEWEST.label("version"),
).join_from(form, organization)


def _records(connection: Connection, query: Any) -> Iterator[FormRecord]:
    for row in connection.execute(query):
        yield FormRecord(**row._mapping, reference=form_reference(row.organization, row.slug))


def _lock_form(connection: Connection, organization_id: int, definition: FormDefinition) -> int:
    """The form's number, its row locked: two publications of one form happen one after the other."""
    key = {"organization_id": organization_id, "slug": definition.form}
    connection.execute(insert(form).values(**key, title=definition.title).on_conflict_do_nothing())
    query = select(form.c.form_id).filter_by(**key).with_for_update(key_share=True)
    form_id: int = connection.execute(query).scalar_one()
    return form_id


def _insert_version(connection: Connection, form_id: int, number: int, definition: FormDefinition) -> None:
    connection.execute(
        form_version.insert().values(
            form_id=form_id,
            version=number,
            definition=json.loads(definition.model_dump_json(exclude_defaults=True)),
            content_hash=definition.content_hash,
        )
    )
    rows = [
        {"form_id": form_id, "version": number, "ordinal": ordinal, **row}
        for ordinal, row in enumerate(_question_rows(definition.questions, None), start=1)
    ]
    if rows:
        connection.execute(question.insert(), rows)


def _question_rows(questions: tuple[Question, ...], parent: str | None) -> Iterator[dict[str, Any]]:
    for item in questions:
        document = item.model_dump(mode="json", exclude_defaults=True)
        bounds = ("min", "max", "min_length", "max_length", "pattern", "region", "other", "on_violation", "was")
        yield {
            "key": item.key,
            "parent": parent,
            "type": item.type,
            "labels": item.label,
            "choices": document.get("choices", []),
            "constraints": {name: document[name] for name in bounds if name in document},
            "required": item.required,
            "pii": item.pii,
            "retired": item.retired,
            "metadata": item.metadata,
        }
        yield from _question_rows(item.questions, item.key)
