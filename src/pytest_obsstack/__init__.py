"""Prove that telemetry arrives: a pytest plugin that runs an observability stack and asserts on it.

The public names are the fixtures (see ``pytest --fixtures``), the types below that overrides of
those fixtures return, and the errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_obsstack.errors import (
        BackendRefused,
        BackendUnavailable,
        CannotTell,
        ObsstackError,
        StackUnavailable,
    )
    from pytest_obsstack.expect.alerts import AlertReceiver
    from pytest_obsstack.expect.probe import Probe
    from pytest_obsstack.expect.shape import span
    from pytest_obsstack.providers.app import AppProcess
    from pytest_obsstack.providers.app_spec import AppSpec, simple_app
    from pytest_obsstack.providers.stack import Stack
    from pytest_obsstack.provision.names import Settings

__all__ = [
    "AlertReceiver",
    "AppProcess",
    "AppSpec",
    "BackendRefused",
    "BackendUnavailable",
    "CannotTell",
    "ObsstackError",
    "Probe",
    "Settings",
    "Stack",
    "StackUnavailable",
    "simple_app",
    "span",
]

_HOMES = {
    "AlertReceiver": "expect.alerts",
    "AppProcess": "providers.app",
    "AppSpec": "providers.app_spec",
    "BackendRefused": "errors",
    "BackendUnavailable": "errors",
    "CannotTell": "errors",
    "ObsstackError": "errors",
    "Probe": "expect.probe",
    "Settings": "provision.names",
    "Stack": "providers.stack",
    "StackUnavailable": "errors",
    "simple_app": "providers.app_spec",
    "span": "expect.shape",
}


def __getattr__(name: str) -> Any:
    """Load a public name at its first use: the plugin is loaded by every pytest run."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
