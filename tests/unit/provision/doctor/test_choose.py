"""What is examined: by the command line, by variables, the kept stack, or a DSN alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_obsstack.endpoints import GrafanaEndpoint
from pytest_obsstack.errors import StackUnavailable
from pytest_obsstack.providers.compose.command import Compose
from pytest_obsstack.providers.home import Home
from pytest_obsstack.providers.process import ProcessIdentity
from pytest_obsstack.providers.state import ComposeState, StackState, write_state
from pytest_obsstack.provision.doctor.choose import Given, choose
from tests.unit.providers.support import dead_pid
from tests.unit.provision.doctor.world import DSN, ENDPOINTS, KEY, TOKEN

OTHER_DSN = "https://fedcba98@elsewhere.test/3"
SENTRY = {
    "OBS_SENTRY_TOKEN": TOKEN,
    "OBS_SENTRY_ORGANIZATION": "acme",
    "OBS_SENTRY_PROJECT": "shop",
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / ".obsstack")


@pytest.fixture
def kept(home: Home) -> StackState:
    """A stack that was left running, by a process that is there."""
    state = StackState(
        kind="embedded",
        run_id="20260101-120000-abcdef",
        folder=home.new_run(),
        endpoints=ENDPOINTS,
        products={},
        ready_after_s=0.5,
        kept=True,
    )
    write_state(home.kept_path, state)
    return state


def refusal(given: Given, home: Home, environ: Mapping[str, str]) -> str:
    with pytest.raises(pytest.UsageError) as refused:
        choose(given, home, environ)
    return str(refused.value)


def test_without_anything_it_says_what_could_be_given(home: Home) -> None:
    assert refusal(Given(), home, {}) == (
        "there is nothing to examine\n"
        "  expected  a stack that was left running (`obsstack up`), --use COMPONENT=URL, or --dsn\n"
        f"  found     no {home.kept_path}, no OBS_USE and no SENTRY_DSN"
    )


# ---- the kept stack


def test_the_kept_stack_is_examined_with_its_own_dsn(home: Home, kept: StackState) -> None:
    setup = choose(Given(), home, {})
    assert setup.title == "the kept embedded stack, run 20260101-120000-abcdef"
    assert (setup.endpoints, setup.dsn, setup.other_dsn) == (kept.endpoints, DSN, None)
    assert setup.may_write
    assert setup.here


@pytest.mark.parametrize(("variable", "other"), [(DSN, None), (OTHER_DSN, OTHER_DSN), ("", None)])
def test_a_dsn_of_the_shell_does_not_replace_the_kept_stacks(
    home: Home, kept: StackState, variable: str, other: str | None
) -> None:
    setup = choose(Given(), home, {"SENTRY_DSN": variable})
    assert (setup.dsn, setup.other_dsn) == (DSN, other)
    assert setup.endpoints == kept.endpoints


@pytest.mark.parametrize(
    "dsn", [DSN.replace("/7", "/8"), DSN.replace(KEY, "f" * 32), "http://sentry.test"]
)
def test_a_wrong_dsn_for_the_kept_stack_is_examined_against_it(
    home: Home, kept: StackState, dsn: str
) -> None:
    setup = choose(Given(dsn=dsn), home, {})
    assert (setup.endpoints, setup.dsn) == (kept.endpoints, dsn)


def test_a_dsn_of_another_server_is_examined_alone(home: Home, kept: StackState) -> None:
    assert kept.kept
    setup = choose(Given(dsn=OTHER_DSN), home, {})
    assert (setup.title, setup.dsn, setup.may_write) == ("a DSN alone", OTHER_DSN, False)
    assert setup.endpoints.sentry is None


def test_a_kept_stack_that_has_ended_is_no_stack(home: Home, kept: StackState) -> None:
    pid = dead_pid()
    write_state(home.kept_path, replace(kept, process=ProcessIdentity(pid, "x")))
    with pytest.raises(StackUnavailable) as ended:
        choose(Given(), home, {})
    assert str(ended.value) == (
        "The stack has ended.\n"
        f"  expected  process {pid} runs\n"
        "  found     it does not\n"
        "  do        `obsstack down` clears it away, `obsstack up` starts a new one"
    )


def test_of_containers_the_collectors_health_check_is_known(home: Home, kept: StackState) -> None:
    url = "http://127.0.0.1:41333/"
    compose = ComposeState(
        compose=Compose(
            words=("docker", "compose"),
            client="docker",
            project="p",
            files=(),
            env_files=(),
            profiles=(),
            folder="/x",
            directory="/x",
        ),
        tracker="glitchtip",
        ports={},
        ready_urls={"collector": url},
        callback_bind="172.17.0.1",
        callback_host="host",
    )
    write_state(home.kept_path, replace(kept, kind="compose", compose=compose))
    setup = choose(Given(), home, {})
    assert (setup.title, setup.health_url) == (
        "the kept compose stack, run 20260101-120000-abcdef",
        url,
    )


# ---- servers that are named


@pytest.mark.parametrize("by_variable", [True, False])
def test_servers_are_named_as_for_pytest(
    home: Home, kept: StackState, *, by_variable: bool
) -> None:
    assert kept.kept
    use = (
        "sentry=http://sentry.test:9000/",
        "loki=http://loki.test:3100",
        "grafana=http://me:my%20pass@grafana.test",
    )
    if by_variable:
        environ = {**SENTRY, "OBS_USE": " ".join(use), "OBS_SENTRY_FLAVOUR": "glitchtip"}
        setup = choose(Given(), home, {**environ, "OBS_SENTRY_DSN": DSN})
    else:
        given = Given(use, DSN, organization="acme", project="shop", flavour="glitchtip")
        setup = choose(given, home, {"OBS_SENTRY_TOKEN": TOKEN})
    assert setup.title == "servers that are named: sentry, loki, grafana"
    sentry = setup.endpoints.sentry
    assert sentry is not None
    assert (sentry.url, sentry.token, sentry.organization, sentry.project, sentry.flavour) == (
        *("http://sentry.test:9000", TOKEN, "acme", "shop", "glitchtip"),
    )
    assert setup.endpoints.grafana == GrafanaEndpoint("http://grafana.test", "me", "my pass")
    assert (setup.dsn, setup.may_write, setup.here) == (DSN, False, False)


@pytest.mark.parametrize(
    ("given", "environ"),
    [
        (Given(use=["loki=http://loki.test"], allow_writes=True), {}),
        (Given(use=["loki=http://loki.test"]), {"OBS_ALLOW_WRITES": "1"}),
    ],
)
def test_writes_to_them_have_to_be_allowed(
    home: Home, given: Given, environ: dict[str, str]
) -> None:
    assert choose(given, home, environ).may_write


def test_a_tracker_that_a_run_in_containers_would_start_names_no_server(
    home: Home, kept: StackState
) -> None:
    setup = choose(Given(), home, {"OBS_USE": "sentry=lite"})
    assert setup.endpoints == kept.endpoints


def test_an_app_alone_is_nothing_to_examine(home: Home) -> None:
    given = Given(use=["app=http://app.test"])
    assert refusal(given, home, {}).startswith("there is nothing to examine\n")


def test_the_dsn_may_come_from_the_environment(home: Home) -> None:
    given = Given(use=["loki=http://loki.test"])
    assert choose(given, home, {"SENTRY_DSN": OTHER_DSN}).dsn == OTHER_DSN
    assert choose(Given(), home, {"SENTRY_DSN": OTHER_DSN}).title == "a DSN alone"


@pytest.mark.parametrize(
    ("given", "environ", "expected"),
    [
        (
            Given(use=["sentry=http://sentry.test"]),
            {},
            (
                "--use sentry=http://sentry.test: an attached Sentry needs OBS_SENTRY_TOKEN, "
                "--sentry-organization, --sentry-project"
            ),
        ),
        (
            Given(use=["sentry=glitchtip"]),
            {},
            (
                "--use sentry=glitchtip: of servers that run already, sentry is one of: a URL "
                "(http://… or https://…)"
            ),
        ),
        (
            Given(use=["lokki=http://x"]),
            {},
            (
                "--use: no component 'lokki'; there are sentry, collector, prometheus, loki, "
                "tempo, grafana, app; found 'lokki=http://x'"
            ),
        ),
        (
            Given(),
            {"OBS_SENTRY_DSN": f"http://{KEY}@sentry.test/shop"},
            (
                "OBS_SENTRY_DSN: invalid DSN: project id\n"
                "  expected  digits after the last '/'\n"
                "  found     'shop' in 'http://…@sentry.test/shop'; found (hidden)"
            ),
        ),
        (
            Given(use=["loki=http://loki.test:port"]),
            {},
            "--use loki=…: expected http(s)://HOST[:PORT], found 'http://loki.test:port'",
        ),
        (
            Given(use=["loki=http://:3100"]),
            {},
            "--use loki=…: expected http(s)://HOST[:PORT], found 'http://:3100'",
        ),
        (
            Given(use=["grafana=http://me:s3cret@grafana.test:port"]),
            {},
            "--use grafana=…: expected http(s)://HOST[:PORT], found 'grafana.test:port'",
        ),
        (
            Given(flavour="sentri"),
            {},
            (
                "--sentry-flavour: expected one of embedded, sentry, glitchtip, bugsink; "
                "found 'sentri'"
            ),
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(
    home: Home, given: Given, environ: dict[str, str], expected: str
) -> None:
    assert refusal(given, home, environ) == expected
