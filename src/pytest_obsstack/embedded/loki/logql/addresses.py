"""IP addresses in filters: one address, a network (CIDR) or a range ``first-last``."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from pytest_obsstack.embedded.go_quote import quote

_CANDIDATE = re.compile(r"[0-9a-fA-F:.]*[:.][0-9a-fA-F:.]*")

Address = IPv4Address | IPv6Address


class AddressError(ValueError):
    """A pattern that names no addresses; ``str()`` is Loki's message."""


def address_test(pattern: str) -> Callable[[str], bool]:
    """Whether a text is an address that the pattern names. Raises ``AddressError``."""
    first, last = _bounds(pattern)

    def test(text: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return False
        # Addresses of different versions have no order.
        return address.version == first.version and int(first) <= int(address) <= int(last)

    return test


def line_address_test(pattern: str) -> Callable[[str], bool]:
    """Whether a line holds an address that the pattern names. Raises ``AddressError``."""
    test = address_test(pattern)
    return lambda line: any(test(text.strip(".")) for text in _CANDIDATE.findall(line))


def _bounds(pattern: str) -> tuple[Address, Address]:
    try:
        if "-" in pattern:
            first, last = (ip_address(part.strip()) for part in pattern.split("-", 1))
            if first.version == last.version and int(first) <= int(last):
                return first, last
        elif "/" in pattern:
            network = ip_network(pattern, strict=False)
            return network[0], network[-1]
        else:
            return ip_address(pattern), ip_address(pattern)
    except ValueError as error:
        raise AddressError(f"ip: invalid pattern: {quote(pattern)}") from error
    raise AddressError(f"ip: invalid pattern: {quote(pattern)}")
