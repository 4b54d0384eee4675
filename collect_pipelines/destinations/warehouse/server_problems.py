"""What went wrong with a warehouse on a server, told as what to do next."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dlt.common.exceptions import DltException
from dlt.common.schema.exceptions import DataValidationError

from collect_pipelines.errors import Blocked, CollectError, TryLater

__all__ = ["explained"]

BUSY_SECONDS = 15.0  # a server that restarts, or a lock a person holds

_BLOCKED: dict[str, tuple[str, str]] = {
    "28P01": ("refuses the user or the password", "Correct the secret behind `credentials`"),
    "28000": ("refuses the user", "Correct the secret behind `credentials`, or let the user in (pg_hba.conf)"),
    "3D000": ("has no such database", "Create it, or correct the secret behind `credentials`"),
    "42501": ("does not let the user do it", "Grant CREATE on the database, and all rights on the dataset's schemas, to the user"),
    "53100": ("has no room left on its disk", "Free space there"),
    "53200": ("has no memory left", "Give it more, or stop what uses it"),
    "25006": ("is read-only", "Let `credentials` point to the primary server"),
}
"""SQLSTATE -> what is wrong and what to do."""
_LATER = {"57P01", "57P02", "57P03", "53300", "55P03", "57014", "40001", "40P01"}
"""SQLSTATEs that pass by themselves: shutting down or starting, too many connections, locked, cancelled, serialisation."""
_BLOCKED_TEXTS = {
    "password authentication failed": "28P01", "no password supplied": "28P01", "no pg_hba.conf entry": "28000",
    "role": "28000", "database": "3D000", "permission denied": "42501",
}  # fmt: skip
"""libpq tells no SQLSTATE when it can't connect."""
_NOT_CONNECTED = ("could not connect", "connection refused", "could not translate host name", "timeout expired", "no route to host",
                  "server closed the connection unexpectedly", "the database system is", "too many clients")  # fmt: skip


@contextmanager
def explained(place: str) -> Iterator[None]:
    """Turns what the driver, dlt and the system raise inside the block into TryLater or Blocked."""
    try:
        yield
    except CollectError:
        raise
    except (DltException, OSError) as exc:
        raise _explanation(place, exc) from exc
    except Exception as exc:
        if not _of_driver(exc):
            raise
        raise _explanation(place, exc) from exc


def _explanation(place: str, error: BaseException) -> CollectError:
    chain = [error]
    while (inner := chain[-1].__cause__ or chain[-1].__context__) is not None and inner not in chain:
        chain.append(inner)
    for link in reversed(chain):
        if told := _told(place, link):
            return told
    # Promise 10: only the class, the message of a failed load may quote an answer
    name = next((type(link).__name__ for link in reversed(chain) if _of_driver(link)), type(error).__name__)
    return TryLater(f"Loading into {place} failed ({name}).", unknown=True)


def _told(place: str, cause: BaseException) -> CollectError | None:
    if isinstance(cause, DataValidationError):
        return Blocked(
            f"Table {cause.table_name}, column {cause.column_name}: the stored type is not the form's type.",
            fix=f"Rename that column in {place}, then resume.",
        )
    if not _of_driver(cause):
        return None
    text, state = str(cause).lower(), _state(cause)
    if type(cause).__name__ in _REFUSED or any(part in text for part in _REFUSED_TEXTS):
        return Blocked(
            f"{place} refuses the credentials.", fix="Correct the secret behind `credentials`, or grant its account access, then resume."
        )
    if state in _BLOCKED:
        wrong, repair = _BLOCKED[state]
        return Blocked(f"{place} {wrong}.", fix=f"{repair}, then resume the integration.")
    if state in _LATER or any(part in text for part in _NOT_CONNECTED):
        return TryLater(f"{place} can't be reached, or does not take the load now.", after=BUSY_SECONDS, unknown=state not in _LATER)
    return None


def _state(cause: Any) -> str | None:
    state = getattr(cause, "pgcode", None)
    if state is not None:
        return str(state)
    text = str(cause).lower()
    if "fatal" not in text:
        return None
    for part, state in _BLOCKED_TEXTS.items():
        if part in text and (part not in ("role", "database") or (f'{part} "' in text and "does not exist" in text)):
            return state
    return None


def _of_driver(error: BaseException) -> bool:
    return any(kind.__name__ in _ERRORS and kind.__module__.partition(".")[0] in _DRIVERS for kind in type(error).__mro__)


_ERRORS = {"Error", "DatabaseError", "GoogleAPIError", "GoogleAuthError"}
_DRIVERS = {"psycopg2", "google", "snowflake"}
_REFUSED = {"RefreshError", "DefaultCredentialsError", "Unauthorized", "Forbidden"}
"""Google's errors for keys that were revoked and rights that are missing."""
_REFUSED_TEXTS = ("incorrect username or password", "jwt token is invalid")
