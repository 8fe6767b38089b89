"""Copies of the app with other settings, for claims about these."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from pytest_obsstack import AppProcess, AppSpec
from pytest_obsstack.provision.session import Session


@contextmanager
def app_with(
    session: Session,
    spec: AppSpec,
    *,
    release: str | None = None,
    port: int | None = None,
    **env: str,
) -> Iterator[AppProcess]:
    """One more app, without the services that it calls, which would cost as long again."""
    app = session.start_app(
        replace(
            spec,
            env={**spec.env, **env},
            companions={},
            release=spec.release if release is None else release,
        ),
        port=port,
    )
    try:
        yield app
    finally:
        app.stop()
