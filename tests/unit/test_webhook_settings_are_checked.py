"""What makes no sense, or would put a secret where everyone can read it, is refused when a webhook is saved."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from collect_pipelines.destinations.webhook import WebhookConfig

URL = "https://hooks.example.org/collect"

HOSTILE: list[dict[str, Any]] = [
    {}, {"url": ""}, {"url": None}, {"url": "http://hooks.example.org/"}, {"url": "https://127.0.0.1/"}, {"url": "https://localhost/"},
    {"url": "http://169.254.169.254/", "allow_private": True}, {"url": "https://a:b@hooks.example.org/"}, {"url": "env:"},
    {"url": URL, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, {"url": URL, "secret": ""}, {"url": URL, "secret": "keyring:x"},
    {"url": URL, "previous_secret": "env:OLD"}, {"url": URL, "format": "xml"}, {"url": URL, "batch": "sometimes"},
    {"url": URL, "parallel": 0}, {"url": URL, "parallel": -1}, {"url": URL, "parallel": 10**9}, {"url": URL, "timeout_seconds": 0},
    {"url": URL, "timeout_seconds": 10**9}, {"url": URL, "timeout_seconds": float("nan")}, {"url": URL, "unknown": 1},
    {"url": URL, "headers": {"Host": "evil"}}, {"url": URL, "headers": {"Content-Length": "0"}},
    {"url": URL, "headers": {"X-A": "a\r\nX-B: b"}},
    {"url": URL, "headers": {"X-A\r\nX-B": "b"}}, {"url": URL, "headers": {"X-A": 1}}, {"url": URL, "headers": {"X-A": "a", "x-a": "b"}},
    {"url": URL, "headers": {"Content-Type": "text/plain"}}, {"url": URL, "headers": {"webhook-id": "1"}},
    {"url": URL, "headers": {"Authorization": "Bearer secret-canary"}}, {"url": URL, "headers": {"X-Api-Key": "secret-canary"}},
    {"url": URL, "headers": {"Cookie": "secret-canary"}}, {"url": URL, "headers": {"X-Hub-Token": "secret-canary"}},
    {"url": URL, "headers": {f"X-{number}": "a" for number in range(21)}},
]  # fmt: skip


@pytest.mark.parametrize("config", HOSTILE)
def test_a_configuration_that_makes_no_sense_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        WebhookConfig.model_validate(config)

    told = " ".join(error["msg"] for error in refused.value.errors(include_input=False))
    assert "canary" not in told and "MfKQ" not in told


def test_ordinary_configurations_are_taken() -> None:
    WebhookConfig(url=URL)
    WebhookConfig(url="stored:HOOK", secret="env:NEW", previous_secret="file:/run/secrets/old", format="cloudevents", batch=True)
    WebhookConfig(url=URL, headers={"Authorization": "env:TOKEN", "X-Team": "north"})
    WebhookConfig(url="http://receiver:8000/", allow_private=True)


texts = st.text(max_size=40)
values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), texts, st.lists(texts, max_size=3), st.dictionaries(texts, texts, max_size=3)
)


@given(st.dictionaries(st.sampled_from(sorted(WebhookConfig.model_fields)), values), st.booleans())
def test_any_configuration_is_taken_or_refused_in_words(config: dict[str, Any], usual: bool) -> None:
    try:
        made = WebhookConfig.model_validate({"url": URL} | config if usual else config)
    except ValidationError:
        return
    again = WebhookConfig.model_validate(made.model_dump(mode="json", exclude_defaults=True))
    assert again == made
    assert all(value.isprintable() and name.isascii() for name, value in made.headers.items())
