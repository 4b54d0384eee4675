"""The pages as HTML: complete without a script, readable by any browser and screen reader. Everything from outside is escaped here."""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from urllib.parse import urlsplit

from collect_pipelines.ingest.request import Header, Reply
from collect_pipelines.store.connection_requests import Invitation

__all__ = ["asking", "connected", "problem"]

STYLE = """\
:root{color-scheme:light dark}
body{font:1.0625rem/1.6 system-ui,sans-serif;margin:0 auto;max-width:38rem;padding:2rem 1.25rem}
h1{font-size:1.6rem;line-height:1.25}
button{font:inherit;font-weight:600;padding:.7rem 1.4rem;border-radius:.4rem;cursor:pointer}
button{border:2px solid #1a56b0;background:#1a56b0;color:#fff}
button:focus-visible{outline:3px solid currentcolor;outline-offset:3px}
li{margin:.3rem 0}
.next{border-inline-start:.3rem solid #1a56b0;padding-inline-start:1rem}
"""
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = "default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; frame-ancestors 'none'; form-action {targets}"
HEADERS: tuple[Header, ...] = (
    (b"content-type", b"text/html; charset=utf-8"),
    # the address of the page holds a ticket or a code: no cache keeps it, no link tells it
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-robots-tag", b"noindex"),
)
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><link rel="icon" href="data:,"><style>{style}</style></head>
<body><main><h1>{title}</h1>
{body}
</main></body></html>
"""


def asking(
    invitation: Invitation, rights: Iterable[str], *, action: str, ticket: str, page: str, authorize_url: str, known: str | None
) -> Reply:
    """
    What is asked for, by whom, and the button.

    action: path of the form. page: proves that the form came from this page. known: address of the account that is connected already.
    """
    again = f"<p>The account connected now is <strong>{escape(known)}</strong>. It is replaced.</p>" if known else ""
    body = f"""<p>The organization <strong>{escape(_organization(invitation))}</strong> asks you to let it write the responses to its
forms into Google Sheets with a Google account of yours. It calls this connection <strong>{escape(invitation.name)}</strong>.</p>
{again}<p>On the next page Google asks you for these rights:</p>
<ul>{"".join(f"<li>{escape(one)}</li>" for one in rights)}<li>See the email address of the account, to show which one is connected</li></ul>
<p>collect writes only into the spreadsheets that this organization's integrations name. It never sees your password, your mail, or files
it did not make. You can end the access at any time at <strong>myaccount.google.com/permissions</strong>.</p>
<form method="post" action="{escape(action)}"><input type="hidden" name="ticket" value="{escape(ticket)}">
<input type="hidden" name="page" value="{escape(page)}"><p><button>Continue to Google</button></p></form>
<p>This link works once, until {invitation.expires_at:%H:%M} UTC. If you did not expect it, close this page: nothing happens.</p>"""
    return _reply(200, "Connect a Google account", body, targets=f"'self' {_origin(authorize_url)}")


def connected(invitation: Invitation, account: str, resumed: Sequence[str], replaced: str | None) -> Reply:
    """It worked."""
    goes_on = ""
    if resumed:
        goes_on = f"<p>What was waiting is sent now: {escape(', '.join(resumed))}.</p>"
    other = ""
    if replaced is not None:
        other = f"""<p>Before, <strong>{escape(replaced)}</strong> was connected. Share the spreadsheets with the new account as Editor,
or connect the earlier one again.</p>"""
    body = f"""<p><strong>{escape(account)}</strong> is connected as <strong>{escape(invitation.name)}</strong> for
<strong>{escape(_organization(invitation))}</strong>.</p>
{goes_on}{other}<p class="next">You can close this page. An integration uses the account with
<code>credentials=connection:{escape(invitation.name)}</code>.</p>"""
    return _reply(200, "The Google account is connected", body)


def problem(status: int, title: str, text: str, following: str) -> Reply:
    """It did not work: what happened, and what to do next."""
    body = f'<p>{escape(text)}</p>\n<p class="next">{escape(following)}</p>'
    return _reply(status, title, body, outcome="error" if status >= 500 else "rejected" if status >= 400 else "served")


def _reply(status: int, title: str, body: str, *, targets: str = "'none'", outcome: str = "served") -> Reply:
    text = _PAGE.format(title=escape(title), style=STYLE, body=body)
    policy = POLICY.format(style=STYLE_HASH, targets=targets)
    return Reply(status, text.encode(), [*HEADERS, (b"content-security-policy", policy.encode())], outcome=outcome)


def _organization(invitation: Invitation) -> str:
    if invitation.organization_title in ("", invitation.organization):
        return invitation.organization
    return f"{invitation.organization_title} ({invitation.organization})"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
