"""``set_up_tracker`` against live trackers: nobody clicks, and a second run finds the same."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest

from pytest_obsstack.endpoints import TrackerFlavour
from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.wire.dsn import Dsn
from tests.contract.embedded_sentry import EMAIL, PASSWORD
from tests.contract.tracker_servers import Account, embedded_account, live_account, not_at_hand

LIVE: tuple[TrackerFlavour, ...] = ("glitchtip", "bugsink")


@pytest.fixture(scope="module", params=LIVE)
def account(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Account]:
    missing = not_at_hand(request.param)
    if missing is not None:
        pytest.skip(missing)
    with live_account(request.param, tmp_path_factory.mktemp("tracker")) as found:
        yield found


@pytest.fixture
def embedded() -> Iterator[Account]:
    with embedded_account() as found:
        yield found


def test_a_second_run_finds_the_same_project_token_and_dsn(account: Account) -> None:
    name = f"twice-{uuid.uuid4().hex[:8]}"
    first = account.set_up(name)
    again = account.set_up(name)
    assert again == first
    assert (again.token, again.dsn) == (first.token, first.dsn)
    assert first.token
    assert first.project == name
    dsn = Dsn.parse(first.dsn)
    assert (dsn.project_id, dsn.public_key) == (first.project_id, first.public_key)
    assert first.otlp_traces_url is None


def test_a_token_is_enough(account: Account) -> None:
    first = account.set_up("by-token")
    by_token = replace(account, email=None, password=None, token=first.token)
    assert by_token.set_up("by-token") == first


def test_another_password_lets_nobody_in_and_is_not_told(account: Account) -> None:
    wrong = replace(account, password="not-the-password-42")
    with pytest.raises(ObsstackError) as caught:
        wrong.set_up("by-nobody")
    assert f"does not let {account.email} in." in str(caught.value)
    assert "not-the-password-42" not in str(caught.value)


def test_the_embedded_sentry_is_set_up_by_its_admin(embedded: Account) -> None:
    by_admin = replace(embedded, token=None, email=EMAIL, password=PASSWORD).set_up("simple-app")
    assert by_admin.token is None
    assert by_admin.dsn == embedded.set_up("simple-app").dsn


def test_the_embedded_sentrys_admin_needs_the_right_password(embedded: Account) -> None:
    wrong = replace(embedded, token=None, email=EMAIL, password="not-the-password-42")
    with pytest.raises(ObsstackError, match=f"Sentry does not let {EMAIL} in.") as caught:
        wrong.set_up("simple-app")
    assert "not-the-password-42" not in str(caught.value)


def test_the_embedded_sentry_is_set_up_by_its_token(embedded: Account) -> None:
    first = embedded.set_up("simple-app")
    assert embedded.set_up("simple-app") == first
    assert first.token == embedded.token
    assert first.otlp_traces_url == Dsn.parse(first.dsn).otlp_traces_url
