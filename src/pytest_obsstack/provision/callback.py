"""Where a server that a test starts is reached from containers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import ip_network

from pytest_obsstack.providers.compose.command import Compose

_HOST_GATEWAY = "host.docker.internal"
_IN_ADDRESSES = "0123456789abcdef.:"


def callback_address(compose: Compose) -> tuple[str, str]:
    """Where a test's server has to listen for containers to reach it, and what they call it.

    The compose files give the machine the name ``host.docker.internal``. On Linux that is the
    gateway of the engine's own bridge, an address of this machine alone; where the engine runs in a
    machine of its own (Docker Desktop), it hands such connections on to this machine's loopback.
    """
    template = "{{range .IPAM.Config}}{{.Gateway}} {{.Subnet}}\n{{end}}"
    status, output = compose.engine("network", "inspect", "--format", template, "bridge")
    for address in gateways(output) if status == 0 else ():
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as candidate:
            try:
                candidate.bind((address, 0))
            except OSError:
                continue
        return address, _HOST_GATEWAY
    return "127.0.0.1", _HOST_GATEWAY


def gateways(lines: str) -> Iterator[str]:
    """The gateway of each line ``GATEWAY SUBNET``; without one, the subnet's first address."""
    for line in lines.splitlines():
        gateway, _, subnet = line.rpartition(" ")
        # Templates write "<no value>" for what is not there.
        if gateway and set(gateway) <= set(_IN_ADDRESSES):
            yield gateway
        elif "/" in subnet:
            yield str(next(ip_network(subnet, strict=False).hosts()))
