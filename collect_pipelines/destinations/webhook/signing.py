"""Signatures of Standard Webhooks 1.0: HMAC-SHA256 over id, time and body. https://www.standardwebhooks.com"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

from collect_pipelines.errors import Blocked

__all__ = ["signed_headers", "signing_key"]

PREFIX = "whsec_"
SHORTEST_KEY_BYTES, LONGEST_KEY_BYTES = 24, 64  # what the specification asks for
HOW_TO_MAKE_ONE = 'Make one with: echo "whsec_$(openssl rand -base64 32)"'


def signing_key(text: str, reference: str) -> bytes:
    """The key in a `whsec_` secret. Raises Blocked naming the reference."""
    try:
        key = base64.b64decode(text.strip().removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith(PREFIX) or not SHORTEST_KEY_BYTES <= len(key) <= LONGEST_KEY_BYTES:
        raise Blocked(
            f"The secret {reference} is no signing secret: whsec_ and {SHORTEST_KEY_BYTES} to {LONGEST_KEY_BYTES} bytes in base64.",
            fix=f"{HOW_TO_MAKE_ONE}, and give it to the receiver too.",
        )
    return key


def signed_headers(message_id: str, sent_at: int, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """
    The headers of one attempt: the id stays, the time and so the signature are new each time.

    sent_at: seconds since the epoch. keys: the newest first; one signature each; none, no signature.
    """
    headers = {"webhook-id": message_id, "webhook-timestamp": str(sent_at)}
    if keys:
        signed = f"{message_id}.{sent_at}.".encode() + body
        headers["webhook-signature"] = " ".join(_signature(key, signed) for key in keys)
    return headers


def _signature(key: bytes, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
