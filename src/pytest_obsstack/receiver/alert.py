"""One alert as it arrived, whoever sent it and in whichever form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Literal

AlertStatus = Literal["firing", "resolved"]
AlertSource = Literal["alertmanager", "grafana", "sentry", "glitchtip"]
"""In whose form it came; ``alertmanager`` is that of Prometheus and of Loki's ruler."""


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    path: str
    headers: Mapping[str, str]
    """Names in small letters."""
    content: bytes
    received_s: float
    """Unix seconds."""

    @property
    def json(self) -> Any:
        """The body; whatever is kept was JSON."""
        return json.loads(self.content)


@dataclass(frozen=True)
class Alert:
    """One alert of one notification. Times are Unix seconds, ``None`` where the form has none."""

    name: str
    status: AlertStatus
    source: AlertSource
    labels: Mapping[str, str]
    """Of Sentry's issue alerts the event's tags."""
    annotations: Mapping[str, str]
    starts_s: float | None
    ends_s: float | None
    """When it was resolved; of one that fires when it will be taken for resolved."""
    url: str | None
    """Where the sender shows it."""
    received_s: float
    trace_id: str | None = None
    """Of the event that made it fire, where it is one."""
    issue_id: str | None = None
    event_id: str | None = None
    signed: bool | None = None
    """Whether the signature is right; ``None`` where no secret is known."""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def describe(self) -> str:
        """For messages."""
        shown = ", ".join(f"{k}: {v!r}" for k, v in sorted(self.labels.items()) if k != "alertname")
        return f"{self.name} ({self.status}) {{{shown}}}"


class NotAnAlert(ValueError):
    """A body that is none of what its sender says it is; ``str()`` says why."""


def members(value: Any, what: str) -> Mapping[str, Any]:
    """A JSON object, or ``NotAnAlert``."""
    if not isinstance(value, Mapping):
        raise NotAnAlert(f"{what} is {type(value).__name__}, expected an object")
    return value


def texts(value: Any, what: str) -> dict[str, str]:
    """A JSON object of texts; nothing where it is absent."""
    return {str(k): str(v) for k, v in members({} if value is None else value, what).items()}


def unix_s(value: Any, what: str) -> float | None:
    """An RFC 3339 time; Go's zero time stands for none."""
    if value in (None, ""):
        return None
    text = str(value)
    whole, point, rest = text.partition(".")
    if point:
        # More decimals than Python reads.
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        text = f"{whole}.{digits[:6].ljust(6, '0')}{rest[len(digits) :]}"
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise NotAnAlert(f"{what} is {value!r}, expected a time") from None
    if moment.year == 1:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
