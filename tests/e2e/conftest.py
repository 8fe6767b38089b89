"""What tests of several claims share."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from pytest_obsstack import AppProcess, AppSpec
from pytest_obsstack.provision.session import Session
from tests.e2e.app_copies import app_with


@pytest.fixture(scope="session")
def unlike_default_app(obs_session: Session, obs_app_spec: AppSpec) -> Iterator[AppProcess]:
    """A copy of the app with every Sentry setting unlike its default; needs ``app_control``.

    One for all such claims, because each copy costs a second: environment ``staging``, a release
    that only this run has, no request sampled by the app itself, no filter of sensitive data.
    """
    with app_with(
        obs_session,
        obs_app_spec,
        release=f"simple-app@1.1.0+{uuid.uuid4().hex[:12]}",
        SENTRY_ENVIRONMENT="staging",
        SENTRY_TRACES_SAMPLE_RATE="0",
        APP_FILTER_SENSITIVE_DATA="off",
    ) as app:
        yield app
