"""Letting the stack's Prometheus tell a receiver of alerts, for as long as a block goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.waiting import until

if TYPE_CHECKING:
    from pytest_obsstack.expect.context import Context
    from pytest_obsstack.receiver.server import Receiver

_DISCOVERY_S = 20.0
"""Up to 3.11 Prometheus looks every five seconds at what its discovery has found."""
_RULE_FILE = "obs_alert_receiver.yml"


@contextlib.contextmanager
def rules_loaded(
    context: Context,
    receiver: Receiver,
    groups: Sequence[Mapping[str, Any]],
    resend_delay_s: float,
    external_labels: Mapping[str, str],
) -> Iterator[None]:
    """The embedded Prometheus evaluates these groups alone, and tells this receiver alone."""
    changes = {
        "rule_files": {_RULE_FILE: {"groups": [dict(group) for group in groups]}},
        "alertmanagers": [receiver.url],
        "resend_delay_s": resend_delay_s,
        "external_labels": dict(external_labels),
    }
    context.stack.configure("prometheus", changes)
    try:
        yield
    finally:
        without: dict[str, Any] = {"rule_files": {}, "alertmanagers": [], "external_labels": {}}
        context.stack.configure("prometheus", without)


@contextlib.contextmanager
def receiver_told(context: Context, receiver: Receiver) -> Iterator[None]:
    """Prometheus tells this receiver what the rules that it has give."""
    stack = context.stack
    if stack.steerable:
        stack.configure("prometheus", {"alertmanagers": [receiver.url]})
        try:
            yield
        finally:
            stack.configure("prometheus", {"alertmanagers": []})
        return
    name = receiver.address.replace(":", "-")
    stack.add_alertmanager(name, receiver.address)
    try:
        _await_discovery(context, receiver)
        yield
    finally:
        stack.remove_alertmanager(name)


def _await_discovery(context: Context, receiver: Receiver) -> None:
    client = context.clients.prometheus

    def poll() -> bool | None:
        known = client.alertmanagers()
        return True if any(receiver.address in url for url in known) else None

    waited = until(poll, timeout_s=max(context.timeout_s, _DISCOVERY_S))
    if waited.value is None:
        known = ", ".join(client.alertmanagers()) or "none"
        raise ObsstackError(
            f"Prometheus does not know the receiver {receiver.url} after {waited.waited_s:.1f} s.",
            expected="the receiver among its Alertmanagers",
            found=known,
            advice="see that it reads alertmanagers/*.json (file_sd_configs), and its log",
        )
