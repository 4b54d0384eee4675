"""A receiver reads keys, labels and questions in the body, in either format, one by one or many at once."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from cloudevents.v1.http import from_http, from_json

from collect_pipelines.destinations.interface import Outcome
from tests.contract.http_stand_ins import Receiver, receiving
from tests.contract.webhook_tools import Desk, batch, column, entry, rows

CHOICES = [{"code": "y", "label": {"en": "Yes, often", "hi": "हाँ, अक्सर"}}, {"code": "n", "label": {"en": "Never", "hi": "कभी नहीं"}}]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def test_the_body_says_what_happened_to_which_response(receiver: Receiver) -> None:
    with Desk.at(receiver) as desk:
        desk.webhook.deliver(rows(1))
        (body,) = desk.bodies

    assert receiver.requests[0].headers["content-type"] == "application/json"
    assert body == {
        "id": receiver.requests[0].headers["webhook-id"],
        "type": "response.created",
        "timestamp": "2030-01-01T00:00:01.000000Z",
        "data": {
            "form": "household",
            "form_title": "Household",
            "version": 1,
            "response_id": "r1",
            "revision": 1,
            "position": 1,
            "submitted_at": "2030-01-01T00:00:00.000000Z",
            "received_at": "2030-01-01T00:00:01.000000Z",
            "source": "api",
            "respondent": None,
            "language": None,
            "answers": {
                "name": {"value": "name 1", "label": None, "question": "Name"},
                "age": {"value": 1, "label": None, "question": "Age"},
            },
        },
    }


def test_every_type_of_answer_has_its_value_and_its_words(receiver: Receiver) -> None:
    columns = [
        column("saves", "select_one", choices=CHOICES, other=True), column("crops", "select_multiple", choices=CHOICES, other=True),
        column("own", "select_one", choices=CHOICES, other=True), column("agreed", "boolean"), column("born", "date"),
        column("seen", "datetime"), column("place", "geopoint"), column("photo", "file"), column("height", "decimal"),
        column("people", "repeat"), column("none"),
    ]  # fmt: skip
    answers = [
        "y", ["n", "other: millet"], "other: sometimes", True, date(1990, 2, 28), datetime(2030, 5, 6, 7, 8, 9, tzinfo=UTC),
        '{"latitude":18.5,"longitude":73.8}', '{"name":"roof.jpg","url":"https://files.example/1"}', 1.5, '[{"inside":"a"}]', None,
    ]  # fmt: skip
    with Desk.at(receiver) as desk:
        desk.webhook.deliver(replace(batch(entry("r1", 1, *answers), columns=columns), language="hi", time_zone="Asia/Kolkata"))
        found = desk.bodies[0]["data"]["answers"]

    assert {key: (answer["value"], answer["label"]) for key, answer in found.items()} == {
        "saves": ("y", "हाँ, अक्सर"),
        "crops": (["n", "other: millet"], ["कभी नहीं", "millet"]),
        "own": ("other: sometimes", "sometimes"),
        "agreed": (True, "हाँ"),
        "born": ("1990-02-28", None),
        "seen": ("2030-05-06T07:08:09.000000Z", "2030-05-06T12:38:09+05:30"),
        "place": ({"latitude": 18.5, "longitude": 73.8}, "18.5, 73.8"),
        "photo": ({"name": "roof.jpg", "url": "https://files.example/1"}, "https://files.example/1"),
        "height": (1.5, None),
        "people": ([{"inside": "a"}], None),
        "none": (None, None),
    }


def test_edits_and_deletions_are_told_and_a_deletion_holds_no_answers(receiver: Receiver) -> None:
    with Desk.at(receiver) as desk:
        desk.webhook.deliver(
            batch(
                entry("r1", 1, "a", operation="release"),
                entry("r2", 2, "b", revision=2),
                entry("r3", 3, "left over", revision=2, operation="delete"),
                entry("r4", 4, "d", revision=3, operation="release"),
            )
        )
        bodies = {body["data"]["response_id"]: body for body in desk.bodies}

    assert {key: body["type"] for key, body in bodies.items()} == {
        "r1": "response.created", "r2": "response.updated", "r3": "response.deleted", "r4": "response.updated",
    }  # fmt: skip
    assert "answers" not in bodies["r3"]["data"]


def test_any_text_arrives_as_it_was(receiver: Receiver) -> None:
    texts = ["राजेश", "🙂", '"; DROP TABLE', "line\r\nend\ttab", "\u2028\u202e", "=1+1", "</script>", "x" * 200_000, "", "{}"]
    with Desk.at(receiver, parallel=1) as desk:
        desk.webhook.deliver(batch(*(entry(f"r{place}", place + 1, text) for place, text in enumerate(texts))))

        assert [body["data"]["answers"]["name"]["value"] for body in desk.bodies] == texts


def test_values_that_are_no_json_of_their_type_go_out_as_they_are(receiver: Receiver) -> None:
    columns = [column("place", "geopoint"), column("people", "repeat")]
    with Desk.at(receiver) as desk:
        desk.webhook.deliver(batch(entry("r1", 1, "somewhere", "[" * 100_000), columns=columns))
        found = desk.bodies[0]["data"]["answers"]

    assert found["place"]["value"] == "somewhere"
    assert found["people"]["value"] == "[" * 100_000


def test_a_batch_is_one_request_with_an_id_per_response(receiver: Receiver) -> None:
    with Desk.at(receiver, batch=True) as desk:
        delivery = desk.webhook.deliver(rows(3))
        single = Desk(receiver)
        single.webhook.deliver(rows(3))
        single.webhook.close()
        together, *alone = desk.bodies

    assert delivery.outcomes == (Outcome.delivered(),) * 3
    assert delivery.api_calls == 1
    assert (together["type"], together["id"]) == ("response.batch", receiver.requests[0].headers["webhook-id"])
    # Promise 5: a receiver knows a response again whichever way it comes
    assert sorted(together["data"], key=json.dumps) == sorted(alone, key=json.dumps)


def test_a_batch_that_would_grow_too_large_is_sent_in_parts(receiver: Receiver) -> None:
    with Desk.at(receiver, batch=True) as desk:
        delivery = desk.webhook.deliver(batch(*(entry(f"r{place}", place, "x" * 400_000) for place in range(1, 6))))
        sizes = [len(body["data"]) for body in desk.bodies]

    assert sizes == [2, 2, 1]
    assert len(delivery.outcomes) == 5
    assert delivery.sent_bytes == sum(len(request.body) for request in receiver.requests)


def test_cloudevents_are_read_by_the_reference_library(receiver: Receiver) -> None:
    with Desk.at(receiver, format="cloudevents") as desk:
        desk.webhook.deliver(rows(1))
    (request,) = receiver.requests
    event = from_http(request.headers, request.body)

    assert request.headers["content-type"].startswith("application/cloudevents+json")
    assert (event["id"], event["type"], event["source"], event["subject"]) == (
        request.headers["webhook-id"], "response.created", "/forms/household", "r1",
    )  # fmt: skip
    assert event["time"] == "2030-01-01T00:00:01.000000Z"
    assert event.data["answers"]["name"]["value"] == "name 1"


def test_a_batch_of_cloudevents_is_an_array_of_them(receiver: Receiver) -> None:
    with Desk.at(receiver, format="cloudevents", batch=True) as desk:
        desk.webhook.deliver(rows(2))
    (request,) = receiver.requests

    assert request.headers["content-type"].startswith("application/cloudevents-batch+json")
    assert [from_json(json.dumps(item))["subject"] for item in json.loads(request.body)] == ["r1", "r2"]


def test_headers_go_along_and_those_that_are_secrets_are_read_when_they_are_needed(receiver: Receiver) -> None:
    with Desk.at(receiver, headers={"Authorization": "env:TOKEN", "X-Team": "north"}) as desk:
        desk.webhook.deliver(rows(1))

    assert receiver.requests[0].headers["authorization"] == "Bearer token-canary"
    assert receiver.requests[0].headers["x-team"] == "north"


def test_the_preview_is_what_is_sent(receiver: Receiver) -> None:
    for more in ({}, {"batch": True}, {"format": "cloudevents"}):
        receiver.requests.clear()
        with Desk.at(receiver, headers={"Authorization": "env:TOKEN"}, parallel=1, **more) as desk:
            shown = desk.webhook.preview(rows(2))
            assert receiver.requests == []
            desk.webhook.deliver(rows(2))

        for request in receiver.requests:
            assert request.body.decode() in shown
            assert f"webhook-id: {request.headers['webhook-id']}" in shown
            assert f"content-type: {request.headers['content-type']}" in shown
        assert "Authorization: env:TOKEN" in shown
        assert "s3cret" not in shown and "canary" not in shown
