"""One API call on its way through the server: what was asked, by whom, and what is answered."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, unquote

import orjson

from collect_pipelines.local.sheets.errors import ApiError, bad_request
from collect_pipelines.local.sheets.masks import Mask, parse_mask, select
from collect_pipelines.local.sheets.tokens import Caller
from collect_pipelines.local.sheets.wire import checked, load_json, snake

if TYPE_CHECKING:
    from collect_pipelines.local.sheets.service import Service

__all__ = ["Answer", "Call", "Operation", "Request", "error_answer", "json_answer"]

JSON = "application/json; charset=UTF-8"
COMMON_PARAMETERS = frozenset(
    [
        "$.xgafv",
        "access_token",
        "alt",
        "callback",
        "fields",
        "key",
        "oauth_token",
        "prettyPrint",
        "quotaUser",
        "uploadType",
        "upload_protocol",
        "userIp",
    ]
)
TRUE_TEXTS = ("true", "True", "1")


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request with its whole body. `path` is as it came, percent signs included."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer with its whole body."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Operation:
    """One method of an API: where it is found, what it needs and what carries it out."""

    name: str
    """Google's name without the service, e.g. `spreadsheets.batchUpdate`; drive.* for the Drive API."""
    verb: str
    pattern: re.Pattern[str]
    kind: Literal["read", "write", "drive"]
    """The quota it is counted on."""
    scopes: frozenset[str]
    """Any of these lets a caller in."""
    handler: "Callable[[Call], Any]"
    parameters: frozenset[str] = frozenset()
    answer_message: str | None = None
    """The message a `fields` mask is checked against."""

    @property
    def drive(self) -> bool:
        """True for the Drive API, whose errors look different."""
        return self.name.startswith("drive.")


@dataclass
class Call:
    """One call of an operation by a known caller."""

    service: "Service"
    operation: Operation
    caller: Caller
    arguments: Mapping[str, str]
    """Parts of the path, decoded."""
    request: Request
    parameters: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuses query parameters the operation does not have."""
        self.parameters = parse_qs(self.request.query, keep_blank_values=True)
        for name in self.parameters:
            if name not in self.operation.parameters and name not in COMMON_PARAMETERS:
                text = (
                    f'Invalid JSON payload received. Unknown name "{name}": '
                    f"Cannot bind query parameter. Field '{name}' could not be found in request message."
                )
                raise bad_request(text, [(None, text)])

    def message(self, name: str, path: str = "") -> dict[str, Any]:
        """The body as a checked message."""
        return checked(name, load_json(self.request.body), path)

    def text(self, name: str, default: str = "") -> str:
        """A parameter that is given once."""
        return self.parameters.get(name, [default])[-1]

    def texts(self, name: str) -> list[str]:
        """A parameter that may repeat."""
        return self.parameters.get(name, [])

    def flag(self, name: str) -> bool:
        """A boolean parameter; gspread writes True with a capital."""
        return self.text(name) in TRUE_TEXTS

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        """A parameter of an enum; raises the 400 of an unknown value."""
        value = self.text(name, default)
        if name in self.parameters and value not in choices:
            kind = f"type.googleapis.com/google.apps.sheets.v4.{_enum_name(name)}"
            text = f"Invalid value at '{snake(name)}' ({kind}), \"{value}\""
            raise bad_request(text, [(snake(name), text)])
        return value

    def mask(self) -> Mask | None:
        """The `fields` parameter; raises a 400 when it names what the answer does not have."""
        text = self.text("fields")
        return parse_mask(text, self.operation.answer_message) if text else None

    def answer(self, result: Any) -> Answer:
        """What the handler returned as an HTTP answer, cut down to the mask."""
        if isinstance(result, Answer):
            return result
        mask = self.mask()
        return json_answer(200, select(result, mask) if mask is not None else result)


def json_answer(status: int, document: Any) -> Answer:
    """An answer of JSON."""
    return Answer(status, orjson.dumps(document))


def error_answer(error: ApiError) -> Answer:
    """A refusal in its API's envelope. Google sends no Retry-After, so neither do we."""
    return json_answer(error.code, error.body())


def matched(operations: Sequence[Operation], verb: str, path: str) -> tuple[Operation, dict[str, str]] | None:
    """The operation a request is for, and the decoded parts of its path."""
    for operation in operations:
        if operation.verb == verb:
            found = operation.pattern.fullmatch(path)
            if found:
                return operation, {name: unquote(part) for name, part in found.groupdict().items()}
    return None


def _enum_name(parameter: str) -> str:
    name = parameter.removeprefix("response")
    return "Dimension" if name == "majorDimension" else name[0].upper() + name[1:]
