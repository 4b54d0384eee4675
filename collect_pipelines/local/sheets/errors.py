"""Refusals in Google's own words and envelopes: Sheets has `status` and no `errors[]`, Drive has `errors[]` and no `status`."""

from collections.abc import Sequence
from typing import Any

__all__ = [
    "ApiError",
    "DriveError",
    "InvalidRequest",
    "OAuthError",
    "SheetsError",
    "api_disabled",
    "bad_request",
    "caller_has_no_permission",
    "drive_file_not_found",
    "drive_storage_exceeded",
    "drive_unauthorized",
    "missing_entity",
    "scope_insufficient",
    "unauthorized",
]

STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class InvalidRequest(Exception):
    """One subrequest can't be carried out; the batch adds which one."""


class ApiError(Exception):
    """A refusal with its HTTP status and JSON body."""

    def __init__(self, code: int, message: str) -> None:
        """`code` is the HTTP status, `message` Google's text."""
        self.code = code
        self.message = message
        super().__init__(message)

    def body(self) -> dict[str, Any]:
        """The JSON body; each API words it in its own envelope."""
        return {"error": {"code": self.code, "message": self.message}}


class SheetsError(ApiError):
    """A refusal of the Sheets API."""

    def __init__(self, code: int, message: str, *, details: Sequence[dict[str, Any]] = (), status: str | None = None) -> None:
        """`status` defaults to the canonical name of the HTTP code."""
        self.details = list(details)
        self.status = status or STATUS_NAMES[code]
        super().__init__(code, message)

    def body(self) -> dict[str, Any]:
        """`{"error": {code, message, status[, details]}}`."""
        error: dict[str, Any] = {"code": self.code, "message": self.message, "status": self.status}
        if self.details:
            error["details"] = self.details
        return {"error": error}


class DriveError(ApiError):
    """A refusal of the Drive API."""

    def __init__(self, code: int, reason: str, message: str, *, domain: str = "global", location: str | None = None) -> None:
        """`location` names the parameter at fault."""
        self.reason = reason
        self.domain = domain
        self.location = location
        super().__init__(code, message)

    def body(self) -> dict[str, Any]:
        """`{"error": {errors: [...], code, message}}`."""
        item: dict[str, Any] = {"message": self.message, "domain": self.domain, "reason": self.reason}
        if self.location is not None:
            item |= {"location": self.location, "locationType": "header" if self.location == "Authorization" else "parameter"}
        return {"error": {"errors": [item], "code": self.code, "message": self.message}}


class OAuthError(ApiError):
    """A refusal of the token endpoint: RFC 6749 section 5.2."""

    def __init__(self, error: str, description: str, code: int = 400) -> None:
        """`error` is the machine word, e.g. invalid_grant."""
        self.error = error
        super().__init__(code, description)

    def body(self) -> dict[str, Any]:
        """`{"error", "error_description"}`."""
        return {"error": self.error, "error_description": self.message}


class DisabledDrive(DriveError):
    """Drive's refusal while it is switched off: the only one with `status` and `details` too ([U] burnash/gspread#1286)."""

    def __init__(self, message: str, details: list[dict[str, Any]]) -> None:
        """`details` are those of the other APIs."""
        self.details = details
        super().__init__(403, "accessNotConfigured", message, domain="usageLimits")

    def body(self) -> dict[str, Any]:
        """Both envelopes in one."""
        error = super().body()["error"]
        error["errors"][0]["extendedHelp"] = "https://console.developers.google.com"
        return {"error": error | {"status": "PERMISSION_DENIED", "details": self.details}}


def api_disabled(drive: bool, project_number: str) -> ApiError:
    """403 while the API is switched off in the caller's cloud project ([U] burnash/gspread#1286, home-assistant/core#79744)."""
    word, service = ("Drive", "drive.googleapis.com") if drive else ("Sheets", "sheets.googleapis.com")
    place = f"https://console.developers.google.com/apis/api/{service}/overview?project={project_number}"
    message = (
        f"Google {word} API has not been used in project {project_number} before or it is disabled. Enable it by visiting {place} "
        "then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems and retry."
    )
    help_links = {"@type": "type.googleapis.com/google.rpc.Help"}
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED", "domain": "googleapis.com"}
    details: list[dict[str, Any]] = [
        help_links | {"links": [{"description": "Google developers console API activation", "url": place}]},
        info | {"metadata": {"consumer": f"projects/{project_number}", "service": service}},
    ]
    return DisabledDrive(message, details) if drive else SheetsError(403, message, details=details)


def bad_request(message: str, violations: Sequence[tuple[str | None, str]] = ()) -> SheetsError:
    """400 INVALID_ARGUMENT; `violations` are (field, description) pairs of details[0]."""
    if not violations:
        return SheetsError(400, message)
    listed = [{"field": field, "description": text} if field else {"description": text} for field, text in violations]
    return SheetsError(400, message, details=[{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": listed}])


def missing_entity() -> SheetsError:
    """404: no such file, or not granted under drive.file ([L1])."""
    return SheetsError(404, "Requested entity was not found.")


def caller_has_no_permission() -> SheetsError:
    """403: the file exists, the caller has no access ([R])."""
    return SheetsError(403, "The caller does not have permission")


def unauthorized() -> SheetsError:
    """401: the access token is missing, expired or unknown."""
    text = (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication "
        "credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
    )
    return SheetsError(401, text)


def scope_insufficient(method: str, service: str = "sheets.googleapis.com") -> SheetsError:
    """403: the token's scopes do not cover the call."""
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        "domain": "googleapis.com",
        "metadata": {"service": service, "method": method},
    }
    return SheetsError(403, "Request had insufficient authentication scopes.", details=[info])


def drive_file_not_found(file_id: str) -> DriveError:
    """404 of Drive ([L1])."""
    return DriveError(404, "notFound", f"File not found: {file_id}.", location="fileId")


def drive_storage_exceeded() -> DriveError:
    """403: service accounts have no Drive storage since 2025 ([U] burnash/gspread#1568, burnash/gspread#1592)."""
    return DriveError(403, "storageQuotaExceeded", "The user's Drive storage quota has been exceeded.", domain="usageLimits")


def drive_unauthorized() -> DriveError:
    """401 of Drive."""
    return DriveError(401, "authError", "Invalid Credentials", location="Authorization")
