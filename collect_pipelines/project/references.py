"""References to secrets, and what looks like a secret where only a reference should be."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["inline_secrets", "is_reference"]

REFERENCE = re.compile(r"((Bearer|Basic|Token|Key) )?(env|file|stored|connection):.+", re.DOTALL)  # as in the headers of a gateway
NAMED = re.compile(
    r"passw(or)?d|passphrase|secret|token|api[_-]?key|authorization|private[_-]?key|signing[_-]?key|access[_-]?key|credential",
    re.IGNORECASE,
)
PATH = re.compile(r"[~.]?/[^\n]*|[^\s:]+\.(json|pem|key|p12|txt)")
PLAIN_URL = re.compile(r"https?://[^\s@]+")
# What issuers give their secrets to be found by, and URLs with a password in them.
LOOKS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|\bwhsec_[A-Za-z0-9+/]{16}|\bcp_live_[A-Za-z0-9_-]{20}|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30}"
    r"|\bxox[abeoprs]-[A-Za-z0-9-]{10}|\b[rs]k_(live|test)_[A-Za-z0-9]{10}|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.|\bAIza[A-Za-z0-9_-]{35}"
    r"|hooks\.slack\.com/services/|://[^/@\s:]*:[^/@\s]+@|\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8}"
)


def is_reference(text: str) -> bool:
    """Whether the text says where a secret is."""
    return REFERENCE.fullmatch(text) is not None


def inline_secrets(config: Mapping[str, Any]) -> list[str]:
    """Where in the configuration a secret seems to be written out, e.g. `headers.Authorization`; never what stands there."""
    return list(_found(config, "", named=False))


def _found(value: Any, place: str, *, named: bool) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _found(item, f"{place}.{name}" if place else str(name), named=named or NAMED.search(str(name)) is not None)
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _found(item, f"{place}[{number}]", named=named)
    elif isinstance(value, str) and value and not is_reference(value) and (LOOKS.search(value) or (named and not _harmless(value))):
        yield place


def _harmless(value: str) -> bool:
    """A path or address in a field whose name speaks of secrets, e.g. `token_url`."""
    return PATH.fullmatch(value) is not None or PLAIN_URL.fullmatch(value) is not None
