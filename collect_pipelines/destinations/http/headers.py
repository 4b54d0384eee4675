"""Header fields that a configuration may add to a request."""

import re

from collect_pipelines.errors import ConfigInvalid

__all__ = ["MAX_VALUE_CHARACTERS", "check_header"]

MAX_VALUE_CHARACTERS = 8000  # servers take 8 KiB of header in all, some more
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_VALUE = re.compile(r"[ -~\t]*")

OWN = frozenset(
    {"host", "content-length", "transfer-encoding", "content-encoding", "connection", "keep-alive", "te", "trailer", "upgrade", "via"}
    | {"expect", "accept-encoding", "http2-settings", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip"}
)
"""They decide where a request goes and where it ends: two readings of them are how requests are smuggled."""


def check_header(name: str, value: str) -> None:
    """Raises ConfigInvalid naming the header; never shows its value, which may be a secret."""
    if not _NAME.fullmatch(name):
        raise ConfigInvalid(f"{name[:40]!r} is no name of a header.", fix="Use letters, digits and hyphens, e.g. X-Team.")
    if name.lower() in OWN or name.lower().startswith("proxy-"):
        raise ConfigInvalid(f"The header {name} is set by the product itself.", fix="Take it out of the configuration.")
    if not _VALUE.fullmatch(value) or len(value) > MAX_VALUE_CHARACTERS or value != value.strip():
        raise ConfigInvalid(
            f"The value of the header {name} has a line end, a character outside ASCII, a blank at an end, "
            f"or more than {MAX_VALUE_CHARACTERS} characters.",
            fix="Correct the value, or the secret it refers to.",
        )
