"""Reading the address of a receiver as strictly as a person would write it: what looks like a trick is refused at save."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import SplitResult, urlsplit

from collect_pipelines.destinations.http.addresses import refusal
from collect_pipelines.errors import ConfigInvalid

__all__ = ["MAX_URL_CHARACTERS", "Target", "check_url", "target_of"]

MAX_URL_CHARACTERS = 2000  # what every server and log takes
MAX_HOST_CHARACTERS = 253  # RFC 1035
PORTS = {"https": 443, "http": 80}
PUBLIC_PORTS = (443, 8443)  # others reach services that are no web servers: SSH, mail, databases
METADATA_HOSTS = frozenset({"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"})
LOCAL_SUFFIXES = ("localhost", "local", "internal", "intranet", "lan", "home.arpa", "localdomain")

PRIVATE_FIX = "Use the public https address of the receiver, or set allow_private: true when it stands in your own network on purpose."

_PRINTABLE = re.compile(r"[!-~]+")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True)
class Target:
    """A checked address, in the parts that a request needs."""

    scheme: str
    host: str
    """Lower case, ASCII; an IPv6 address without brackets."""
    port: int
    path: str
    """With the query, as it is sent."""

    def __str__(self) -> str:
        """Host and port only: path and query may hold a secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def is_address(self) -> bool:
        """Whether the host is an address and no name."""
        return ":" in self.host or bool(_NUMBER.fullmatch(self.host.rpartition(".")[2]))


def check_url(url: str, *, allow_private: bool = False) -> None:
    """Raises ConfigInvalid naming what is wrong with the address. Asks no resolver: names are judged again at every connection."""
    target_of(url, allow_private=allow_private)


def target_of(url: str, *, allow_private: bool = False) -> Target:
    """The parts of an address. Raises ConfigInvalid; what it says shows the host at most."""
    parts = _split(url)
    host = _host(parts, allow_private)
    target = Target(parts.scheme, host, _port(parts, host, allow_private), _path(parts))
    if target.scheme == "http" and not allow_private:
        raise _invalid(f"The address of {target} is not encrypted.", PRIVATE_FIX)
    return target


def _split(url: str) -> SplitResult:
    if not isinstance(url, str) or not url or len(url) > MAX_URL_CHARACTERS:
        raise _invalid(f"The address of the receiver is empty or longer than {MAX_URL_CHARACTERS} characters.", "Correct it.")
    # urlsplit would drop tabs and line ends without a word
    if not _PRINTABLE.fullmatch(url) or "\\" in url:
        raise _invalid(
            "The address of the receiver has a character that addresses can't have, e.g. a space or a letter outside ASCII.",
            "Write a name in other letters in its ASCII form (xn--...), and such characters of the path with %.",
        )
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as exc:
        raise _invalid("The address of the receiver can't be read.", "Write it as https://host/path.") from exc
    if parts.scheme not in PORTS or not parts.netloc:
        raise _invalid("The address of the receiver is no web address.", "Write it as https://host/path.")
    if "@" in parts.netloc:
        raise _invalid("The address of the receiver holds a user or a password.", "Take it out; send credentials as a header by reference.")
    return parts


def _host(parts: SplitResult, allow_private: bool) -> str:
    host = parts.hostname or ""
    name = host[:60]
    if ":" in host or _NUMBER.fullmatch(host.rpartition(".")[2]):
        return _numeric(host, allow_private)
    if len(host) > MAX_HOST_CHARACTERS or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise _invalid(f"The host {name!r} is no host name.", "Write it as in https://hooks.example.org/path, without a dot at its end.")
    if host in METADATA_HOSTS:
        raise _invalid(f"The host {name!r} is a metadata service.", "Use the address of a receiver.")
    local = "." not in host or any(host == suffix or host.endswith(f".{suffix}") for suffix in LOCAL_SUFFIXES)
    if local and not allow_private:
        raise _invalid(f"The host {name!r} is a name of a private network.", PRIVATE_FIX)
    return host


def _numeric(host: str, allow_private: bool) -> str:
    """Four decimal parts or IPv6; `127.1`, `0x7f000001` and `2130706433` are other ways to hide an address."""
    try:
        address = IPv6Address(host) if ":" in host and "%" not in host else IPv4Address(host)
    except ValueError as exc:
        raise _invalid(f"The host {host[:60]!r} is an address in an unusual form.", "Write the name of the receiver.") from exc
    if reason := refusal(str(address), allow_private=allow_private):
        raise _invalid(f"The host {host[:60]!r} is {reason}.", PRIVATE_FIX)
    return str(address)


def _port(parts: SplitResult, host: str, allow_private: bool) -> int:
    port = parts.port if parts.port is not None else PORTS[parts.scheme]
    if port == 0 or (not allow_private and port not in PUBLIC_PORTS and parts.scheme == "https"):
        raise _invalid(
            f"The address of {host[:60]} has the port {port}.", f"Use port {PUBLIC_PORTS[0]} or {PUBLIC_PORTS[1]}. {PRIVATE_FIX}"
        )
    return port


def _path(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _invalid(message: str, fix: str) -> ConfigInvalid:
    return ConfigInvalid(message, fix=fix)
