"""People read labels and questions on Slack or in a mail, an answer is only text there, and no secret is shown."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email import message_from_bytes, policy
from typing import Any

import pytest

from collect_pipelines.destinations.interface import Column
from collect_pipelines.destinations.notify import Email, Notify, NotifyConfig, Slack
from collect_pipelines.errors import Blocked, TryLater
from tests.contract.http_stand_ins import Receiver, Reply, raw_server, receiving
from tests.contract.warehouse_fakes import batch, column, entry

pytestmark = pytest.mark.filterwarnings("ignore:.imghdr. is deprecated:DeprecationWarning")  # apprise imports it

SLACK = "https://hooks.slack.com/services/T0AAAAAAA/B0AAAAAAA/SECRETCANARYabcdefghijkl"
DISPLAY = [column("name"), column("crop"), column("age")]


class Lent:
    integration_id, integration, form = 7, "household-slack", "household"

    def __init__(self, address: str) -> None:
        self.address, self.waits, self.guards = address, [0.0], 0

    def secret(self, reference: str) -> str:
        return self.address

    def guard(self) -> None:
        self.guards += 1

    def take_quota(self, buckets: Sequence[Any], *, background: bool = False) -> float:
        assert all("CANARY" not in bucket.key for bucket in buckets)
        return self.waits.pop(0) if len(self.waits) > 1 else self.waits[0]


def made(kind: type[Notify], address: str, **config: Any) -> Notify:
    return kind(NotifyConfig(url="env:ADDRESS", **config), Lent(address))


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    from apprise.plugins.slack import NotifySlack

    with receiving() as receiver:
        monkeypatch.setattr(NotifySlack, "webhook_url", f"http://127.0.0.1:{receiver.port}/services")
        yield receiver


def texts(channel: Receiver) -> list[tuple[str, str]]:
    import json

    attached = [json.loads(request.body)["attachments"][0] for request in channel.requests]
    return [(one["title"], one["text"]) for one in attached]


def test_a_message_per_response_says_what_happened_and_what_was_answered(channel: Receiver) -> None:
    made(Slack, SLACK).deliver(
        batch(
            entry("r1", 1, "Asha", "Wheat; Rice", "31"),
            entry("r2", 2, "Bela", None, None, revision=2),
            entry("r3", 3, revision=2, operation="delete"),
            columns=DISPLAY,
        )
    )

    assert texts(channel) == [
        ("Household: new", "Name: Asha\nCrop: Wheat; Rice\nAge: 31\n(r1, revision 1)"),
        ("Household: changed", "Name: Bela\n(r2, revision 2)"),
        ("Household: deleted", "(r3, revision 2)"),
    ]


def test_a_template_names_answers_and_nothing_else(channel: Receiver) -> None:
    template = "{name} of {form}: {crop} {{age}} {} %(name)s ${name}"
    made(Slack, SLACK, template=template).deliver(batch(entry("r1", 1, "{age} {0.__class__}", "Wheat", "31"), columns=DISPLAY))

    assert texts(channel)[0][1] == "{age} {0.__class__} of Household: Wheat {31} {} %(name)s ${age} {0.__class__}\n(r1, revision 1)"


@pytest.mark.parametrize("template", ["{nmae}", "{name.__class__}", "{0.__class__}", "{name!r}"])
def test_a_template_that_names_no_question_blocks_with_those_there_are(channel: Receiver, template: str) -> None:
    with pytest.raises(Blocked) as blocked:
        made(Slack, SLACK, template=template).deliver(batch(entry("r1", 1, "Asha"), columns=DISPLAY))

    assert blocked.value.fix == "Use one of age, crop, form, name, response_id."
    assert channel.requests == []


def test_an_answer_rings_nobody_and_links_nowhere(channel: Receiver) -> None:
    made(Slack, SLACK).deliver(batch(entry("r1", 1, "<!channel> <@U123> <https://evil.example|click>"), columns=DISPLAY))

    assert texts(channel)[0][1].startswith("Name: &lt;!channel&gt; &lt;@U123&gt; &lt;https://evil.example|click&gt;\n")
    assert b'"mrkdwn": false' in channel.requests[0].body


def test_long_answers_are_shortened(channel: Receiver) -> None:
    made(Slack, SLACK).deliver(batch(entry("r1", 1, "x" * 10_000), columns=DISPLAY))

    assert len(texts(channel)[0][1]) < 600


def test_three_messages_that_were_not_taken_end_it_and_one_does_not(channel: Receiver) -> None:
    rows = [entry(f"r{place}", place, f"name {place}") for place in range(1, 9)]
    channel.reply = lambda request: Reply(500 if b"name 2" in request.body else 200)
    delivery = made(Slack, SLACK).deliver(batch(*rows))
    assert [outcome.state for outcome in delivery.outcomes] == ["delivered", "later", *["delivered"] * 6]

    channel.requests.clear()
    channel.reply = lambda request: Reply(500)
    with pytest.raises(TryLater) as later:
        made(Slack, SLACK).deliver(batch(*rows))
    assert later.value.unknown
    assert len(channel.requests) == 3


def test_people_are_told_no_faster_than_they_may_be(channel: Receiver) -> None:
    destination = made(Slack, SLACK)
    destination.context.waits = [0.0, 0.0, 0.7]  # type: ignore[attr-defined]
    delivery = destination.deliver(batch(*(entry(f"r{place}", place, "x") for place in range(1, 5))))
    assert [(outcome.state, outcome.after) for outcome in delivery.outcomes] == [("delivered", None)] * 2 + [("later", 0.7)] * 2

    with pytest.raises(TryLater) as later:
        destination.deliver(batch(entry("r3", 3, "x")))
    assert (later.value.after, later.value.quota_wait, later.value.unknown) == (0.7, True, False)


def test_a_redirect_is_not_followed(channel: Receiver) -> None:
    with receiving() as target:
        channel.reply = lambda request: Reply(307, b"", {"Location": target.url})
        with pytest.raises(TryLater):
            made(Slack, SLACK).deliver(batch(entry("r1", 1, "x")))

    assert target.connections == 0


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        (Slack, "json://127.0.0.1/"), (Slack, "https://evil.example/services/T/B/C"), (Slack, ""), (Slack, "slack://"),
        (Slack, f"{SLACK}, {SLACK}x"),
        (Slack, f"{SLACK} json://127.0.0.1/"), (Email, SLACK), (Email, "mailtos://"), (Email, "file:///etc/passwd"),
    ],
)  # fmt: skip
def test_an_address_of_another_kind_blocks_without_being_shown(channel: Receiver, kind: type[Notify], address: str) -> None:
    with pytest.raises(Blocked) as blocked:
        made(kind, address).deliver(batch(entry("r1", 1, "x")))

    assert "env:ADDRESS" in blocked.value.reason
    assert "CANARY" not in f"{blocked.value.reason} {blocked.value.fix}"
    assert channel.requests == []


def test_the_test_says_whether_a_message_was_taken(channel: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    report = made(Slack, SLACK).probe()
    assert "took a test message" in report.summary
    channel.reply = lambda request: Reply(404, b"no_service CANARY")
    with pytest.raises(Blocked) as blocked:
        made(Slack, SLACK).probe()

    # Promise 10
    assert "CANARY" not in f"{blocked.value.reason} {blocked.value.fix} {report} {caplog.text}"


def test_the_preview_is_what_is_said(channel: Receiver) -> None:
    destination = made(Slack, SLACK)
    shown = destination.preview(batch(entry("r1", 1, "Asha", "Wheat", "31"), columns=DISPLAY))

    assert channel.requests == []
    destination.deliver(batch(entry("r1", 1, "Asha", "Wheat", "31"), columns=DISPLAY))
    assert shown == "\n".join(texts(channel)[0])


class Post:
    """A mail server that keeps what it was given."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.lock = threading.Lock()

    def handle(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as lines:
            connection.sendall(b"220 post\r\n")
            for line in lines:
                word = line.split()[0].upper() if line.split() else b""
                if word == b"DATA":
                    connection.sendall(b"354 go on\r\n")
                    mail = b"".join(iter(lines.readline, b".\r\n"))
                    with self.lock:
                        self.mails.append(mail)
                connection.sendall(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
                if word == b"QUIT":
                    return


@contextmanager
def post() -> Iterator[tuple[Post, str]]:
    office = Post()
    with raw_server(office.handle) as url:
        place = url.removeprefix("http://").rstrip("/")
        yield office, f"mailto://{place}?from=collect@example.org&to=team@example.org&format=text"


def test_a_mail_says_what_was_answered_and_an_answer_adds_no_header() -> None:
    columns: list[Column] = [column("name"), column("crop")]
    with post() as (office, address):
        made(Email, address).deliver(batch(entry("r1", 1, "Asha\r\nBcc: all@example.org", "<b>Wheat</b> हाँ"), columns=columns))
    (mail,) = [message_from_bytes(one, policy=policy.default) for one in office.mails]

    assert (mail["Subject"], mail["Bcc"]) == ("Household: new", None)
    assert "team@example.org" in mail["To"]
    body = mail.get_body()
    assert body is not None
    assert "Bcc: all@example.org" in body.get_content()
    assert "Crop: <b>Wheat</b> हाँ" in body.get_content()


def test_a_mail_server_that_is_away_is_tried_later() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    address = f"mailto://127.0.0.1:{port}?from=collect@example.org&to=team@example.org"
    with pytest.raises(TryLater):
        made(Email, address).deliver(batch(entry("r1", 1, "x")))


def test_what_is_asked_of_apprise_is_there_or_the_fix_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(Blocked, match="apprise") as blocked:
        made(Slack, SLACK).deliver(batch(entry("r1", 1, "x")))

    assert blocked.value.fix == "pip install 'collect-pipelines[notify]'"
