"""Forms over HTTP: publish a version, list them, show one, and its JSON Schema for clients."""

from typing import Any

import orjson

from collect_pipelines.forms.answers import answer_schema
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.forms.reading import read_form
from collect_pipelines.ingest.body import JSON_TYPES, YAML_TYPES, media_type, read_body
from collect_pipelines.ingest.door import read_json
from collect_pipelines.ingest.forms import OpenForm
from collect_pipelines.ingest.problems import Problem
from collect_pipelines.ingest.request import Reply, Request, json_reply
from collect_pipelines.ingest.services import Services
from collect_pipelines.ingest.submit import open_form
from collect_pipelines.store.forms import FormRecord, find_form, list_forms, publish_form

__all__ = ["list_the_forms", "publish_version", "show_form", "show_schema"]

SCHEMA_TYPE = (b"content-type", b"application/schema+json")


async def publish_version(services: Services, request: Request) -> Reply:
    """201 with the new version; 200 when the newest version is the same. This process takes responses for it at once."""
    key = await services.authenticator.require(request, "admin")
    kind = media_type(request, (*JSON_TYPES, *YAML_TYPES))
    body = await read_body(request)
    definition = await services.threads.call(10.0, _definition, kind, body)
    published = await services.threads.read(publish_form, key.organization, definition, f"key:{key.key_id}")
    services.forms.forget(key, definition.form)
    form = await services.forms.open(key, definition.form)
    request.form = form.reference
    document = {"form": form.reference, "version": published.version, "created": published.created}
    location = b"/v1/forms/" + form.reference.encode()
    return json_reply(201 if published.created else 200, document, [(b"location", location)])


async def list_the_forms(services: Services, request: Request) -> Reply:
    """The forms of the key's organization."""
    key = await services.authenticator.require(request, "read")
    records = await services.threads.read(list_forms, key.organization)
    return json_reply(200, {"forms": [_summary(record) for record in records]}, items=len(records))


async def show_form(services: Services, request: Request) -> Reply:
    """State, versions and definition; `?version=` shows an earlier definition."""
    key, form = await open_form(services, request, "read")
    number, definition = _asked_version(form, request)
    # The record kept for accepting is a moment old; the length of the log is read anew, as in the list of forms.
    record = await services.threads.read(find_form, form.reference, key.organization)
    document = _summary(record) | {
        "shown_version": number,
        "definition": definition.model_dump(mode="json", exclude_defaults=True),
        "versions": [{"version": entry.version, "published_at": entry.published_at} for entry in form.versions.values()],
    }
    return json_reply(200, document)


async def show_schema(services: Services, request: Request) -> Reply:
    """JSON Schema 2020-12 of `answers`, so that clients can validate offline."""
    _, form = await open_form(services, request, "read")
    number, definition = _asked_version(form, request)
    return Reply(200, orjson.dumps(answer_schema(definition)), [SCHEMA_TYPE, (b"etag", b'"%d"' % number)])


def _definition(kind: str, body: bytes) -> FormDefinition:
    try:
        if kind in YAML_TYPES:
            return read_form(body.decode())
        # Through the strict door first (duplicate keys, surrogates); then JSON is YAML, and every fault gets its line number.
        return read_form(orjson.dumps(read_json(body), option=orjson.OPT_INDENT_2).decode(), "form.json")
    except UnicodeDecodeError as exc:
        raise Problem.at("utf8", "#", f"The bytes at offset {exc.start} are not UTF-8.") from exc


def _asked_version(form: OpenForm, request: Request) -> tuple[int, FormDefinition]:
    number = request.number("version", form.newest)
    record = form.versions.get(number)
    if record is None:
        raise Problem.at("unknown-version", "?version", f"The form's newest version is {form.newest}.")
    return number, record.definition


def _summary(record: FormRecord) -> dict[str, Any]:
    return {"form": record.reference, "title": record.title, "state": record.state, "version": record.version, "entries": record.head}
