"""
Which addresses a request may go to: an own deny list, because the one of `ipaddress` has holes.

Python 3.11 calls 64:ff9b::a9fe:a9fe (the metadata service behind NAT64), 2002:7f00:1:: and 224.0.0.1 global.
"""

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

__all__ = ["Address", "is_this_machine", "refusal"]

Address = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network


def _networks(text: str) -> tuple[_Network, ...]:
    return tuple(ip_network(part) for part in text.split())


METADATA = _networks("169.254.0.0/16 fe80::/10 100.100.100.200/32 168.63.129.16/32 192.0.0.192/32 fd00:ec2::254/128")
"""Where clouds hand out credentials to whoever asks from a machine. Never allowed, whatever is configured."""

PRIVATE = _networks("10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 172.16.0.0/12 192.168.0.0/16 ::1/128 fc00::/7")
"""This machine and networks of one's own: allowed by `allow_private` only."""

RESERVED = _networks(
    "0.0.0.0/8 192.0.0.0/24 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.175.48.0/24 198.18.0.0/15 "
    "198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 "
    "64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 3fff::/20 5f00::/16 fec0::/10 ff00::/8"
)
"""Nobody's: documentation, benchmarks, multicast, tunnels. Never allowed."""

GLOBAL_UNICAST = IPv6Network("2000::/3")
"""The only IPv6 addresses that are given out to the public; what stands outside is refused without being listed."""

NAT64, SIX_TO_FOUR, MAPPED = IPv6Network("64:ff9b::/96"), IPv6Network("2002::/16"), IPv6Network("::ffff:0:0/96")


def refusal(text: str, *, allow_private: bool) -> str | None:
    """
    Why no request may go to the address, e.g. `a private address`; None when it may.

    >>> refusal("64:ff9b::7f00:1", allow_private=False)
    'a private address'
    >>> refusal("169.254.169.254", allow_private=True)
    'an address of this machine or its cloud'
    >>> refusal("9.9.9.9", allow_private=False)
    """
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return "no address"
    return _refusal(address, allow_private)


def _refusal(address: Address, allow_private: bool) -> str | None:
    if (inside := _embedded(address)) is not None:
        return _refusal(inside, allow_private)
    if _within(address, METADATA):
        return "an address of this machine or its cloud"
    if _within(address, PRIVATE):
        return None if allow_private else "a private address"
    if _within(address, RESERVED) or (address.version == 6 and address not in GLOBAL_UNICAST):
        return "a reserved address"
    return None


def _embedded(address: Address) -> IPv4Address | None:
    """The IPv4 address that a gateway would send this on to."""
    if isinstance(address, IPv4Address):
        return None
    if address in SIX_TO_FOUR:
        return IPv4Address(address.packed[2:6])
    return IPv4Address(address.packed[12:]) if address in NAT64 or address in MAPPED else None


def _within(address: Address, networks: tuple[_Network, ...]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def is_this_machine(text: str, port: int) -> bool:
    """Whether the address is one of this machine's own, also a public one. Sends nothing: the kernel only picks the way."""
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((text, port))
        except OSError:
            return False  # no way there at all: the connection itself will say so
        return bool(probe.getsockname()[0] == text)
