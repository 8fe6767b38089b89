"""What the embedded Grafana is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class GrafanaSettings:
    """The login, and where the provisioning lies."""

    provisioning: str = "/etc/grafana/provisioning"
    admin_user: str = "admin"
    admin_password: str = field(default="admin", repr=False)
    query_timeout_s: float = 30.0
    """Of one request to a data source (``dataproxy.timeout``)."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> GrafanaSettings:
        """From plain JSON values; raises ``ValueError`` for a name, ``TypeError`` for a type."""
        known = {each.name: each.type for each in fields(cls)}
        for name, value in data.items():
            if name not in known:
                raise ValueError(
                    f"Grafana settings: expected some of {list(known)}, found {name!r}"
                )
            kinds = (str,) if known[name] == "str" else (int, float)
            if not isinstance(value, kinds) or isinstance(value, bool):
                expected = "a text" if kinds == (str,) else "a number"
                raise TypeError(f"Grafana settings: expected {name} as {expected}")
        return cls(**data)
