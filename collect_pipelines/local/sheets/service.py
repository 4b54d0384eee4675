"""Everything one local Sheets server has, and the way of a call through it: token, scope, quota, handler, envelope."""

import logging
import secrets
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from collect_pipelines.local.sheets import api_drive, api_drives, api_permissions, api_spreadsheets, api_values
from collect_pipelines.local.sheets.call import Answer, Call, Operation, Request, error_answer, matched
from collect_pipelines.local.sheets.clock import Clock
from collect_pipelines.local.sheets.errors import (
    ApiError,
    DriveError,
    InvalidRequest,
    SheetsError,
    api_disabled,
    bad_request,
    drive_unauthorized,
    scope_insufficient,
    unauthorized,
)
from collect_pipelines.local.sheets.faults import Faults
from collect_pipelines.local.sheets.identity import Identity
from collect_pipelines.local.sheets.library import Library
from collect_pipelines.local.sheets.limits import Limits, Switches
from collect_pipelines.local.sheets.quota import Quotas
from collect_pipelines.local.sheets.shared_drives import SharedDrives
from collect_pipelines.local.sheets.tokens import Caller, TokenOffice

__all__ = ["CallRecord", "Hook", "Service"]

OPERATIONS = api_spreadsheets.OPERATIONS + api_values.OPERATIONS + api_drive.OPERATIONS + api_permissions.OPERATIONS + api_drives.OPERATIONS
REMEMBERED_CALLS = 10_000
Hook = Callable[[str], None]
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call as a test wants to count it."""

    operation: str
    account: str | None
    """E-mail address of the caller; None when nobody was recognised."""
    status: int
    """What the handler answered; a fault may have hidden it from the caller."""


class Service:
    """One server's state."""

    def __init__(self, data: Path, base_url: str, limits: Limits | None = None, switches: Switches | None = None) -> None:
        """Opens the spreadsheets and accounts under `data`; `base_url` is how clients reach us."""
        self.base_url = base_url
        self.limits = limits or Limits()
        self.switches = switches or Switches()
        self.clock = Clock(self.switches.clock_speed)
        token_uri = f"{base_url}/token"
        self.identity = Identity(data, token_uri)
        self.tokens = TokenOffice(self.identity, self.limits, self.clock.now, token_uri)
        self.library = Library(data / "spreadsheets", resident_rows=self.limits.resident_rows, durable=self.switches.survives_power_cuts)
        self.drives = SharedDrives(data / "shared-drives.json")
        self.quotas = Quotas(self.limits, self.clock.now)
        self.faults = Faults(self.clock.now)
        self.hooks: list[Hook] = []
        """Called with the name of each operation before it is carried out, in the thread that does: a person may act there."""
        self._held: deque[tuple[Operation, dict[str, str], Request]] = deque()
        self._calls: deque[CallRecord] = deque(maxlen=REMEMBERED_CALLS)
        self._lock = threading.Lock()

    @property
    def calls(self) -> list[CallRecord]:
        """The latest calls, oldest first."""
        with self._lock:
            return list(self._calls)

    def forget_calls(self) -> None:
        """Starts counting anew."""
        with self._lock:
            self._calls.clear()

    def operation_of(self, request: Request) -> tuple[Operation, dict[str, str]] | None:
        """The operation a request is for and the parts of its path; None when it is not for an API."""
        return matched(OPERATIONS, request.method, request.path)

    def perform(self, operation: Operation, arguments: dict[str, str], request: Request) -> Answer:
        """Carries a call out; every refusal becomes an answer."""
        account = None
        try:
            caller = self._caller(operation, request)
            account = caller.account.email
            self._check_enabled(operation, caller)
            self.quotas.take(operation.kind, caller.account.project, caller.account.project_number, account)
            for hook in list(self.hooks):
                hook(operation.name)
            call = Call(self, operation, caller, arguments, request)
            answer = call.answer(operation.handler(call))
        except ApiError as exc:
            answer = error_answer(_in_envelope(exc, operation))
        except InvalidRequest as exc:
            answer = error_answer(_in_envelope(bad_request(str(exc)), operation))
        except Exception:  # a defect of ours must look like one of Google's: 500, outcome unknown
            logger.exception("The local Sheets server failed in %s", operation.name)
            answer = error_answer(_in_envelope(SheetsError(500, "Internal error encountered."), operation))
        with self._lock:
            self._calls.append(CallRecord(operation.name, account, answer.status))
        return answer

    def hold(self, operation: Operation, arguments: dict[str, str], request: Request) -> None:
        """Keeps a call whose sender has given up; `land_held` carries it out."""
        self._held.append((operation, arguments, request))

    @property
    def held(self) -> list[str]:
        """The operations of the kept calls, the oldest first."""
        return [operation.name for operation, _, _ in self._held]

    def land_held(self) -> list[Answer]:
        """Carries out every kept call, the oldest first, as if it had been under way all the time; nobody sees the answers."""
        answers = []
        while self._held:
            answers.append(self.perform(*self._held.popleft()))
        return answers

    def new_number(self) -> int:
        """A random positive int32."""
        return secrets.randbelow(2**31 - 1) + 1

    def close(self) -> None:
        """Closes every file."""
        self.library.close()

    def _check_enabled(self, operation: Operation, caller: Caller) -> None:
        if ("drive" if operation.drive else "sheets") in self.switches.disabled_apis:
            raise api_disabled(operation.drive, caller.account.project_number)

    def _caller(self, operation: Operation, request: Request) -> Caller:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        caller = self.tokens.caller(token) if kind.lower() == "bearer" else None
        if caller is None:
            raise drive_unauthorized() if operation.drive else unauthorized()
        if not caller.scopes & operation.scopes:
            raise _scope_refusal(operation)
        return caller


def _scope_refusal(operation: Operation) -> ApiError:
    if operation.drive:
        return DriveError(403, "insufficientPermissions", "Insufficient Permission: Request had insufficient authentication scopes.")
    return scope_insufficient(f"google.apps.sheets.v4.SpreadsheetsService.{operation.name.rpartition('.')[2]}")


def _in_envelope(error: ApiError, operation: Operation) -> ApiError:
    """The error as its API words it: a body's fault is found by code that both APIs share."""
    if operation.drive and isinstance(error, SheetsError):
        return DriveError(error.code, "badRequest" if error.code < 500 else "backendError", error.message)
    return error
