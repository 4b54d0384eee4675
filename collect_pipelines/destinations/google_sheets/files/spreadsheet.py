"""Which spreadsheet to write into: the one configured, or one of our own that is created once, whatever crashes."""

import re
import secrets
from collections.abc import Callable
from typing import Any

from collect_pipelines.destinations.google_sheets.account.credentials import Account
from collect_pipelines.destinations.google_sheets.wire.calls import Api
from collect_pipelines.destinations.interface import Context
from collect_pipelines.errors import DeliveryError, TryLater

__all__ = ["CREATED", "find_or_create", "folder_id", "spreadsheet_id"]

CREATED = "created spreadsheet"
"""Name under which the intent, and then the id, of a spreadsheet of our own is remembered."""

PROPERTY = "collectPipelines"
SETTLE_SECONDS = 30.0  # a creation whose answer was lost has happened by then, or will not; Drive takes a few seconds

_URL = re.compile(r"/spreadsheets/d/([A-Za-z0-9_-]{10,})")
_ID = re.compile(r"[A-Za-z0-9_-]{10,}")
_FOLDER_URL = re.compile(r"/folders/([A-Za-z0-9_-]{10,})")


def spreadsheet_id(text: str) -> str:
    """The id in an address or the id itself; raises ValueError for anything else."""
    found = _URL.search(text)
    if found:
        return found[1]
    if _ID.fullmatch(text):
        return text
    raise ValueError("neither the address of a spreadsheet nor its id")


def folder_id(text: str) -> str:
    """The id in the address of a Drive folder or shared drive, or the id itself; raises ValueError for anything else."""
    found = _FOLDER_URL.search(text)
    if found:
        return found[1]
    if _ID.fullmatch(text):
        return text
    raise ValueError("neither the address of a Drive folder nor its id")


def find_or_create(
    context: Context, api: Api, account: Account, title: str, now: Callable[[], float], *, ordinal: int = 1, folder: str | None = None
) -> str:
    """
    The id of this integration's own spreadsheet, or of the second, third ... of a series.

    The intent is remembered before anything is sent, under a random token that the file carries: after a crash the file is
    found by it, so that there is never a second one. folder: of a shared drive, where a service account may create files; elsewhere
    it can't own any: raises Blocked.
    """
    name = CREATED if ordinal == 1 else f"{CREATED} {ordinal}"
    known = context.recall(name)
    intent: dict[str, Any] = known if isinstance(known, dict) else {}
    if intent.get("spreadsheet"):
        return str(intent["spreadsheet"])
    if account.kind == "service_account" and folder is None:
        raise api.http.explain.owns_nothing()
    if intent:
        made = _made_earlier(api, str(intent["token"]))
        if made is None and (wait := float(intent["sent_at"]) + SETTLE_SECONDS - now()) > 0:
            raise TryLater("The creation of the spreadsheet is not settled yet.", after=wait, unknown=True)
    else:
        made = None
        intent = {"token": secrets.token_hex(12)}
        _go_first(context, ordinal, now())
    if made is None:
        made = _create(context, api, name, title, str(intent["token"]), now(), folder)
    context.remember(name, intent | {"spreadsheet": made})
    return made


def _go_first(context: Context, ordinal: int, now: float) -> None:
    """A probe may run beside the first delivery: one of them creates the file, the other comes back when it is known."""
    if context.allocate(f"google_sheets:creation:{context.integration_id}:{ordinal}:{int(now // 60)}", secrets.token_hex(12)) != 1:
        raise TryLater("The spreadsheet is being created.", after=2.0)


def _create(context: Context, api: Api, name: str, title: str, token: str, now: float, folder: str | None) -> str:
    context.guard()
    context.remember(name, {"token": token, "sent_at": now})
    try:
        return api.create_file(title, {PROPERTY: token}, folder=folder)
    except DeliveryError as exc:
        if not (isinstance(exc, TryLater) and exc.unknown):
            context.remember(name, {"token": token, "sent_at": 0})  # surely not made: no need to wait
        raise


def _made_earlier(api: Api, token: str) -> str | None:
    query = f"appProperties has {{ key='{PROPERTY}' and value='{token}' }} and trashed = false"
    files = api.files(query)
    return str(files[0]["id"]) if files else None
