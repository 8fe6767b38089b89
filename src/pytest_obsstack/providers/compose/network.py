"""What is called what on this machine, and in the stack's own network."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pytest_obsstack.endpoints import Endpoints
from pytest_obsstack.providers.app import LOOPBACK
from pytest_obsstack.providers.compose.project import PARTS


@dataclass(frozen=True)
class Network:
    """What is called what on this machine, and in the stack's own network."""

    addresses: Mapping[str, str]
    """``127.0.0.1:PORT`` → ``service:port``."""

    @classmethod
    def of(cls, ports: Mapping[str, int]) -> Network:
        """From the published ports, by the variables that the compose file reads."""
        addresses = {}
        for part in PARTS.values():
            inner = {part.variable: part.port, **part.extra_ports}
            for variable, port in inner.items():
                if variable in ports:
                    addresses[f"127.0.0.1:{ports[variable]}"] = f"{part.service}:{port}"
        return cls(addresses)

    def without_proxy(self, urls: Iterable[str]) -> str:
        """What a container reaches directly: itself, its stack, and the hosts of ``urls``."""
        services = [address.partition(":")[0] for address in self.addresses.values()]
        others = [host for host in (urlsplit(url).hostname for url in urls) if host]
        return ",".join((LOOPBACK, *dict.fromkeys((*services, *others))))

    def inside(self, text: str) -> str:
        """The text with every address of this machine as a container has to write it."""
        for outer, inner in self.addresses.items():
            # Port 3100 is the beginning of 31001.
            text = re.sub(rf"{re.escape(outer)}(?!\d)", inner, text)
        return text

    def endpoints_inside(self, endpoints: Endpoints) -> Endpoints:
        """The endpoints as a container reaches them."""

        def moved(value: Any) -> Any:
            if isinstance(value, str):
                return self.inside(value)
            if isinstance(value, dict):
                return {name: moved(item) for name, item in value.items()}
            return value

        return Endpoints.from_json(moved(endpoints.to_json()))
