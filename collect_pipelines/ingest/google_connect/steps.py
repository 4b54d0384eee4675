"""The three steps: show the invitation, go to Google, come back. A page is the answer to everything, also to what goes wrong."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from collect_pipelines.errors import Blocked, CollectError, ConfigInvalid, Conflict, TryLater, Unavailable
from collect_pipelines.ingest.body import media_type, read_body
from collect_pipelines.ingest.google_connect.desk import GoogleDesk, TooMany, digest, fresh, is_token, page_proof, proves_page
from collect_pipelines.ingest.problems import Problem
from collect_pipelines.ingest.request import Reply, Request
from collect_pipelines.telemetry.logs import get_logger

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from collect_pipelines.destinations.google_sheets.account.consent import Granted
    from collect_pipelines.ingest.services import Services
    from collect_pipelines.settings import Settings
    from collect_pipelines.store.connection_requests import Invitation

__all__ = ["begin", "come_back", "show_invitation"]

BODY_BYTES = 4096  # the form has 150
QUERY_BYTES = 4096  # Google documents codes of up to 256 bytes, and adds the names of what was granted
CODE_CHARACTERS = 2048
ONCE_MORE = "Open the link once more, in one and the same browser. If it has expired, ask the person who sent it for a new one."
NEW_LINK = "Ask the person who sent it for a new one: they run `collect connections add google NAME`."
LATER = "Try again in a few minutes."
WORDS = ("application/x-www-form-urlencoded",)

log = get_logger(__name__)


class _Page(Exception):
    """A page that ends the request at once."""

    def __init__(self, status: int, title: str, text: str, following: str) -> None:
        self.status, self.title, self.text, self.following = status, title, text, following
        super().__init__(title)


async def show_invitation(services: "Services", request: Request) -> Reply:
    """GET /google/connect?ticket=...: who asks for what. Opening it uses nothing up: mail programs open links too."""
    return await _as_page(services.google, request, _show)


async def begin(services: "Services", request: Request) -> Reply:
    """POST /google/connect: notes the browser, and sends it to Google."""
    return await _as_page(services.google, request, _begin)


async def come_back(services: "Services", request: Request) -> Reply:
    """GET /google/callback: what the person decided at Google."""
    if request.method != "GET":
        raise Problem("method-not-allowed", "Offered here: GET.", headers=[(b"allow", b"GET")])  # a look must not use the answer up
    return await _as_page(services.google, request, _come_back)


async def _as_page(desk: GoogleDesk, request: Request, step: Callable[[GoogleDesk, Request], Awaitable[Reply]]) -> Reply:
    from collect_pipelines.ingest.google_connect.pages import problem

    try:
        if len(request.scope.get("query_string", b"")) > QUERY_BYTES:
            raise _Page(414, "This address is too long", "It is no link of ours, and nothing of Google's.", ONCE_MORE)
        return await step(desk, request)
    except _Page as told:
        return problem(told.status, told.title, told.text, told.following)
    except TooMany:
        reply = problem(429, "Too many people at once", "This page is asked for very often just now.", "Try again in a minute.")
        reply.headers.append((b"retry-after", b"60"))
        return reply
    except Blocked as exc:
        return problem(409, "The account could not be connected", exc.message, exc.fix or ONCE_MORE)
    except (Unavailable, TryLater):
        return problem(503, "Not possible at this moment", "The database or Google can't be reached. Nothing was changed.", LATER)
    except (ConfigInvalid, Conflict) as exc:
        _log_failure(request, exc)
        text = "This installation can't keep the account: its administrator finds the reason in the log."
        return problem(500, "The account could not be connected", text, "Tell your administrator.")


async def _show(desk: GoogleDesk, request: Request) -> Reply:
    from collect_pipelines.destinations.google_sheets.account.consent import RIGHTS
    from collect_pipelines.ingest.google_connect.pages import asking

    ticket = request.query().get("ticket", "")
    invitation, known = await desk.transaction(_look, _ticket(ticket))
    browser = desk.browser(request) or fresh()
    reply = asking(
        invitation,
        RIGHTS.values(),
        action=f"{desk.path}/connect",
        ticket=ticket,
        page=page_proof(browser),
        authorize_url=desk.settings.authorize_url,
        known=known,
    )
    reply.headers.append(desk.mark(browser))
    return reply


async def _begin(desk: GoogleDesk, request: Request) -> Reply:
    from collect_pipelines.destinations.google_sheets.account.consent import challenge_of, client_of, consent_address, new_verifier
    from collect_pipelines.store.secret_texts import oauth_client_text

    media_type(request, WORDS)
    form = dict(parse_qsl((await read_body(request, BODY_BYTES)).decode("utf-8", "replace")))
    browser = desk.browser(request)
    if browser is None or not proves_page(form.get("page", ""), browser) or request.text_header(b"sec-fetch-site") == "cross-site":
        # Promise 10: an account is connected to the organization that its person read about, not to one another site sent
        text = "The button was pressed in another browser, cookies are off, or another web site sent you here."
        raise _Page(403, "This did not come from our page", text, ONCE_MORE)
    client = client_of(oauth_client_text(desk.settings))
    state, verifier = fresh(), new_verifier()
    known = await desk.transaction(_begun, desk.settings, _ticket(form.get("ticket", "")), digest(state), digest(browser), verifier)
    address = consent_address(
        desk.settings.authorize_url, client, desk.redirect_uri, state=state, challenge=challenge_of(verifier), account=known
    )
    return Reply(303, b"", [(b"location", address.encode()), (b"cache-control", b"no-store"), (b"referrer-policy", b"no-referrer")])


async def _come_back(desk: GoogleDesk, request: Request) -> Reply:
    from collect_pipelines.destinations.google_sheets.account.consent import client_of, exchange
    from collect_pipelines.ingest.google_connect.pages import connected
    from collect_pipelines.store.secret_texts import oauth_client_text

    told, browser = request.query(), desk.browser(request)
    state, code = told.get("state", ""), told.get("code", "")
    if not is_token(state):
        raise _Page(400, "Nothing to connect here", "Google opens this page after you granted access.", ONCE_MORE)
    if browser is None:
        raise _wrong_browser()
    invitation, verifier = await desk.transaction(_taken, desk.settings, digest(state), digest(browser))
    _open(invitation)
    if "error" in told:
        raise _declined(told["error"])
    if not code or len(code) > CODE_CHARACTERS:
        raise _Page(400, "Google's answer is incomplete", "Nothing was connected.", ONCE_MORE)
    client = client_of(oauth_client_text(desk.settings))
    token_url = desk.settings.oauth_token_url or f"{desk.settings.local_sheets_url}/token"
    granted = await desk.ask_google(exchange, token_url, client, code=code, redirect_uri=desk.redirect_uri, verifier=verifier)
    resumed, replaced = await desk.transaction(_kept, desk.settings, invitation, granted)
    log.info("account_connected", msg=f"{invitation.organization}.{invitation.name} is connected.", items=len(resumed))
    reply = connected(invitation, granted.account, resumed, replaced)
    reply.headers.append(desk.unmark())
    return reply


def _ticket(text: str) -> bytes:
    if not is_token(text):
        raise _Page(404, "This link is incomplete", "Perhaps it was cut in a message.", f"Copy the whole link. {NEW_LINK}")
    return digest(text)


def _look(connection: "Connection", ticket: bytes) -> "tuple[Invitation, str | None]":
    from collect_pipelines.store.connection_requests import find_invitation

    invitation = _open(find_invitation(connection, ticket))
    return invitation, _known(connection, invitation)


def _begun(connection: "Connection", settings: "Settings", ticket: bytes, state: bytes, browser: bytes, verifier: str) -> str | None:
    from collect_pipelines.store.connection_requests import begin_consent, find_invitation
    from collect_pipelines.store.vault import Vault

    vault = Vault.from_settings(settings)
    invitation = begin_consent(connection, vault, ticket, state=state, browser=browser, verifier=verifier)
    if invitation is None:
        invitation = _open(find_invitation(connection, ticket))
    return _known(connection, invitation)


def _taken(connection: "Connection", settings: "Settings", state: bytes, browser: bytes) -> "tuple[Invitation, str]":
    from collect_pipelines.store.connection_requests import take_consent
    from collect_pipelines.store.vault import Vault

    try:
        taken = take_consent(connection, Vault.from_settings(settings), state, browser)
    except Conflict:
        raise _wrong_browser() from None
    if taken is None:
        text = "It was used before, or the link was opened a second time since."
        raise _Page(410, "This answer of Google's was used already", text, ONCE_MORE)
    return taken


def _kept(connection: "Connection", settings: "Settings", invitation: "Invitation", granted: "Granted") -> tuple[list[str], str | None]:
    """What goes on because of it, and the other account it replaces."""
    from collect_pipelines.store.audit import record_audit
    from collect_pipelines.store.connection_requests import finish_invitation
    from collect_pipelines.store.connections import connect_account
    from collect_pipelines.store.vault import Vault

    if not finish_invitation(connection, invitation.ticket):
        raise _used()
    before = _known(connection, invitation)
    resumed = connect_account(
        connection,
        Vault.from_settings(settings),
        invitation.organization_id,
        invitation.name,
        "google_user",
        account=granted.account,
        credentials=granted.credentials,
        scopes=granted.scopes,
        by=invitation.created_by,
    )
    detail = {"account": granted.account, "resumed": resumed}
    record_audit(connection, "web", "connection.connect", f"{invitation.organization}.{invitation.name}", detail)
    return resumed, before if before != granted.account else None


def _known(connection: "Connection", invitation: "Invitation") -> str | None:
    from collect_pipelines.store.connections import check_connection

    known = check_connection(connection, invitation.organization_id, invitation.name, "google_user")
    return known.account if known is not None else None


def _open(invitation: "Invitation | None") -> "Invitation":
    if invitation is None:
        raise _Page(404, "This link is not known", "It was cut, or it is older than a day.", NEW_LINK)
    if invitation.used:
        raise _used()
    if not invitation.is_open:
        raise _Page(410, "This link has expired", "It works for 15 minutes, and a newer link ends it.", NEW_LINK)
    return invitation


def _used() -> _Page:
    return _Page(
        410, "This link was used already", "The account is connected. A link works once.", f"To connect another account: {NEW_LINK}"
    )


def _wrong_browser() -> _Page:
    text = "The link was opened in another browser than this one, at another address of this server, or cookies are off."
    return _Page(403, "This is another browser", text, ONCE_MORE)


def _declined(error: str) -> _Page:
    if error == "access_denied":
        return _Page(200, "Nothing was connected", "You did not grant access at Google.", f"If that was a mistake: {ONCE_MORE}")
    return _Page(502, "Google did not go on", "Google refused the question itself. Nothing was connected.", "Tell your administrator.")


def _log_failure(request: Request, error: CollectError) -> None:
    log.error("account_not_connected", request_id=request.request_id, route=request.route, exc_info=error)
