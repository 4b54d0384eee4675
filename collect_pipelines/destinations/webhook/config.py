"""What a webhook can be told, checked when it is saved."""

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from collect_pipelines.destinations.http.headers import check_header
from collect_pipelines.destinations.http.urls import check_url
from collect_pipelines.destinations.interface import DestinationConfig
from collect_pipelines.errors import ConfigInvalid

__all__ = ["WebhookConfig", "is_reference"]

REFERENCE = r"^(env|file|stored):.+$"
MAX_HEADERS = 20

# what carries a secret by its name must not stand in the configuration
_SECRET_NAME = re.compile(r"auth|token|secret|passw|api-?key|cookie|credential|signature", re.IGNORECASE)
_OWN = ("content-type", "user-agent")


class WebhookConfig(DestinationConfig):
    """Where the events go and how they are signed."""

    url: str = Field(
        description="Address of the receiver, `https://...`; or where it is kept when it holds a secret: `env:NAME`, `file:PATH` or "
        "`stored:NAME`.",
        examples=["https://hooks.example.org/collect"],
    )
    secret: str | None = Field(
        default=None,
        pattern=REFERENCE,
        description="`env:NAME`, `file:PATH` or `stored:NAME` of the signing secret (`whsec_` and 24 to 64 bytes in base64). "
        "Unset: requests are not signed.",
    )
    previous_secret: str | None = Field(
        default=None,
        pattern=REFERENCE,
        description="The same for the secret of before, while it is being replaced: every request then carries both signatures.",
    )
    format: Literal["standard", "cloudevents"] = Field(
        default="standard",
        description="`standard`: the body of Standard Webhooks. `cloudevents`: CloudEvents 1.0 in structured mode.",
    )
    batch: bool = Field(default=False, description="Several responses in one request, up to 100.")
    headers: dict[str, str] = Field(
        default_factory=dict,
        max_length=MAX_HEADERS,
        description="More headers of every request; a value that is a secret is written as `env:NAME`, `file:PATH` or `stored:NAME`.",
    )
    parallel: int = Field(
        default=4, ge=1, le=16, description="How many requests are under way at once; those of one response always go one after the other."
    )
    timeout_seconds: float = Field(default=15.0, ge=0.1, le=30, description="How long a request may take in all.")
    allow_private: bool = Field(
        default=False,
        description="Allows http, any port, and addresses of this machine and of private networks. For receivers of your own.",
    )

    @field_validator("headers")
    @classmethod
    def _headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            _check(name, value)
        if len({name.lower() for name in headers}) < len(headers):
            raise ValueError("one header is named twice")
        return headers

    @model_validator(mode="after")
    def _address(self) -> "WebhookConfig":
        if self.previous_secret is not None and self.secret is None:
            raise ValueError("previous_secret goes with a secret: set `secret` to the new one")
        if not is_reference(self.url):
            try:
                check_url(self.url, allow_private=self.allow_private)
            except ConfigInvalid as exc:
                raise ValueError(f"{exc.message} {exc.fix}") from exc
        return self


def is_reference(text: str) -> bool:
    """Whether the text says where a secret is, and is none itself."""
    return re.match(REFERENCE, text) is not None


def _check(name: str, value: str) -> None:
    try:
        check_header(name, "x" if is_reference(value) else value)
    except ConfigInvalid as exc:
        raise ValueError(f"{exc.message} {exc.fix}") from exc
    if name.lower() in _OWN or name.lower().startswith(("webhook-", "ce-")):
        raise ValueError(f"the header {name} is set by the product itself: take it out")
    if _SECRET_NAME.search(name) and not is_reference(value):
        # Promise 10: the value is not shown
        raise ValueError(f"the value of the header {name} looks like a secret: write where it is kept, env:NAME, file:PATH or stored:NAME")
