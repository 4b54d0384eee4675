"""What an operator writes down: whom to write to, what, through whom, and within which limits."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from collect_pipelines.destinations.http import check_header, check_url
from collect_pipelines.destinations.interface import DestinationConfig
from collect_pipelines.destinations.sms.hours import QuietHours
from collect_pipelines.destinations.sms.template import TemplateFault, read_template
from collect_pipelines.errors import ConfigInvalid

__all__ = ["REFERENCE", "FileProvider", "GatewayProvider", "LogProvider", "Provider", "SmsConfig", "TwilioProvider"]

LANGUAGE = r"^[a-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}$"
REFERENCE = r"^(env|file|stored):.+$"
MOST_TEMPLATE_CHARACTERS = 1600  # what providers take as one text
MOST_SEGMENTS = 10  # 10 x 153 characters; more is refused by most networks

NumberType = Literal["mobile", "fixed_line_or_mobile", "fixed_line", "voip", "personal_number", "toll_free", "unknown"]


def _readable(text: str) -> str:
    try:
        read_template(text)
    except TemplateFault as exc:
        raise ValueError(str(exc)) from exc
    if not text.strip():
        raise ValueError("the text is empty")
    return text


def _in_no_language(value: Any) -> Any:
    return {"": value} if isinstance(value, str) else value


def _kind_only(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


def _public(url: str) -> str:
    if not url.startswith(("https://", "http://")) or "?" in url or "#" in url:
        raise ValueError("write the address of the ingest endpoint as its callers see it, e.g. https://collect.example.org")
    return url.rstrip("/")


Text = Annotated[str, Field(min_length=1, max_length=MOST_TEMPLATE_CHARACTERS), AfterValidator(_readable)]
Reference = Annotated[str, Field(pattern=REFERENCE)]


class _Provider(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LogProvider(_Provider):
    """Sends nothing; each message is a line of the worker's log, without the number and the text."""

    kind: Literal["log"]


class FileProvider(_Provider):
    """Sends nothing; each message is a line of a file, for a program of your own or for trying things out."""

    kind: Literal["file"]
    path: str | None = Field(default=None, description="NDJSON file. Unset: sms/INTEGRATION.ndjson in the data folder.")


class TwilioProvider(_Provider):
    """Twilio's Programmable Messaging."""

    kind: Literal["twilio"]
    account_sid: str = Field(pattern=r"^AC[0-9a-f]{32}$", description="Account SID, `AC...`.")
    auth_token: Reference = Field(description="Reference to the auth token: env:NAME, file:PATH or stored:NAME. It also proves callbacks.")
    sender: str | None = Field(default=None, max_length=20, description="`From`: a number in E.164, a short code or a sender id.")
    messaging_service_sid: str | None = Field(
        default=None, pattern=r"^MG[0-9a-f]{32}$", description="A messaging service instead of `sender`."
    )
    timeout_seconds: float = Field(default=15, ge=0.1, le=60, description="How long one request may take; then its outcome is unclear.")
    base_url: str = Field(default="https://api.twilio.com", description="Another address of the interface, e.g. of a regional edge.")
    allow_private: bool = Field(default=False, description="Let `base_url` be http or in a private network: for stand-ins in tests.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.sender is None) == (self.messaging_service_sid is None):
            raise ValueError("give either sender or messaging_service_sid")
        _checked_url(self.base_url, self.allow_private)
        return self


class LookUp(_Provider):
    """How a gateway is asked what became of a message."""

    url: str = Field(description="Address with `{reference}` in it, read with GET. 404 means that there is no such message.")
    id: str = Field(default="id", description="Where its id is in the answer: names and numbers joined by dots. Missing: no such message.")


class ReportFields(_Provider):
    """Where things are in the JSON that a gateway posts to us: names and numbers joined by dots."""

    state: str = Field(default="status", description="In a delivery report: what became of the message.")
    id: str = Field(default="id", description="The gateway's id of the message.")
    sender: str = Field(default="from", description="In a reply: the number it came from.")
    text: str = Field(default="text", description="In a reply: what it says.")
    states: dict[str, Literal["sent", "delivered", "undelivered", "failed"]] = Field(
        default_factory=dict, description="The gateway's words for what became of a message, e.g. {DELIVRD: delivered}."
    )


class GatewayProvider(_Provider):
    """Any gateway that takes one message as JSON over HTTP."""

    kind: Literal["gateway"]
    url: str = Field(description="Address that takes a message by POST.")
    headers: dict[str, str] = Field(
        default_factory=dict,
        description="Headers; a value env:NAME, file:PATH or stored:NAME is a secret, also after `Bearer ` or `Basic `.",
    )
    body: dict[str, Any] = Field(
        default_factory=lambda: {"to": "{to}", "text": "{text}", "reference": "{reference}"},
        description="The JSON object that is sent. Filled in: `{to}`, `{text}`, `{reference}`, `{sender}`, `{entity_id}`, `{template_id}`, "
        "`{callback_url}`.",
    )
    id: str | None = Field(
        default="id",
        description="Where the message's id is in the answer: names and numbers joined by dots, e.g. messages.0.id; null when it has none.",
    )
    look_up: LookUp | None = Field(default=None, description="How to ask what became of a message of which no answer came.")
    idempotent: bool = Field(
        default=False, description="True when the gateway sends a `{reference}` once however often it comes: then it is just sent again."
    )
    sender: str | None = Field(default=None, max_length=20, description="Sender id, in India the header that is registered.")
    entity_id: str | None = Field(
        default=None, max_length=40,
        description="India: id of the principal entity in the registry (DLT) of the Telecom Regulatory Authority of India.",
    )  # fmt: skip
    template_id: str | dict[str, str] | None = Field(
        default=None, description="India: id of the text as registered in the same ledger; per language if need be."
    )
    timeout_seconds: float = Field(default=15, ge=0.1, le=60, description="How long one request may take; then its outcome is unclear.")
    refused_statuses: tuple[int, ...] = Field(
        default=(400, 413, 415, 422), description="Answers that mean: this message never, and nothing was sent."
    )
    callback_secret: Reference | None = Field(default=None, description="Reference to the secret that proves callbacks of the gateway.")
    callback_proof: Literal["hmac", "token"] = Field(
        default="hmac",
        description="hmac: a signature over time and body. token: `Authorization: Bearer SECRET`, for gateways that can't sign.",
    )
    callback_fields: ReportFields = Field(default=ReportFields(), description="Where things are in what the gateway posts to us.")
    allow_private: bool = Field(default=False, description="Let the addresses be http or in a private network: for a gateway of your own.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        _checked_url(self.url, self.allow_private)
        if self.look_up is not None:
            if "{reference}" not in self.look_up.url:
                raise ValueError("look_up.url must have {reference} in it")
            _checked_url(self.look_up.url.replace("{reference}", "x"), self.allow_private)
        for name, value in self.headers.items():
            _checked_header(name, value)
        return self


Provider = Annotated[
    LogProvider | FileProvider | TwilioProvider | GatewayProvider, Field(discriminator="kind"), BeforeValidator(_kind_only)
]


class SmsConfig(DestinationConfig):
    """Whom to write to, what, and within which limits."""

    provider: Provider = Field(description="Who sends: `log`, `file`, or an object with `kind` twilio or gateway and its fields.")
    to: str = Field(description="Key of the question with the phone number.")
    template: Annotated[dict[str, Text], BeforeValidator(_in_no_language), Field(min_length=1)] = Field(
        description="The text, or one per language: {en: ..., hi: ...}. `{question}`, `{form}`, `{id}`, `{date}`, `{time}` are filled in."
    )
    language_from: str | None = Field(default=None, description="Key of a question whose answer is the recipient's language, e.g. hi.")
    region: str | None = Field(default=None, pattern=r"^[A-Z]{2}$", description="Country of numbers written without +, e.g. IN.")
    region_from: str | None = Field(
        default=None,
        description="Key of a select_one whose chosen choice tells the country, by its attribute `region` or a code such as IN.",
    )
    number_types: tuple[NumberType, ...] = Field(
        default=("mobile", "fixed_line_or_mobile"), min_length=1, description="Kinds of numbers that are written to."
    )
    policy: Literal["never_twice", "at_least_once"] = Field(
        default="never_twice",
        description="When nobody can say whether a message was sent: leave it to a person, or send it again at the risk of a second one.",
    )
    on_edit: Literal["ignore", "send"] = Field(default="ignore", description="Whether an edited response gets another message.")
    most_segments: int = Field(default=3, ge=1, le=MOST_SEGMENTS, description="Most segments of one message.")
    too_long: Literal["cut", "refuse"] = Field(default="cut", description="What happens to a text of more segments.")
    within_hours: float = Field(
        default=72, gt=0, le=24 * 365, description="Responses received longer ago get no message, e.g. those from before the integration."
    )
    cooldown_seconds: float = Field(default=60, ge=0, description="A number that got a message less than so long ago gets none.")
    most_per_number: int = Field(default=10, ge=1, description="Messages to one number within 24 hours.")
    most_per_day: int = Field(default=1000, ge=1, description="Messages within 24 hours; what comes beyond waits.")
    per_minute: int | None = Field(default=None, ge=2, description="Messages per minute, over all processes.")
    quiet_hours: QuietHours | None = Field(
        default=None, description="No message then by the recipient's clock, e.g. 21:00-08:00; it is sent afterwards."
    )
    public_url: Annotated[str, AfterValidator(_public)] | None = Field(
        default=None, description="Address of the ingest endpoint as the provider reaches it: for delivery reports and STOP replies."
    )

    @model_validator(mode="after")
    def _provable(self) -> Self:
        if self.public_url and isinstance(self.provider, GatewayProvider) and self.provider.callback_secret is None:
            raise ValueError("public_url needs provider.callback_secret, by which the gateway proves its callbacks")
        return self

    def text_in(self, *languages: str | None) -> tuple[str, str]:
        """The language and the text in the first of the languages there is a text in, else the first text."""
        for language in languages:
            for wanted in (language, (language or "").partition("-")[0]):
                if wanted and wanted in self.template:
                    return wanted, self.template[wanted]
        return next(iter(self.template.items()))


def _checked_url(url: str, allow_private: bool) -> None:
    try:
        check_url(url, allow_private=allow_private)
    except ConfigInvalid as exc:
        raise ValueError(f"{exc.message} {exc.fix or ''}".strip()) from exc


def _checked_header(name: str, value: str) -> None:
    try:
        check_header(name, value)
    except ConfigInvalid as exc:
        raise ValueError(f"{exc.message} {exc.fix or ''}".strip()) from exc
