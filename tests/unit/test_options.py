"""Options: each as flag, ini key and variable; which one holds; what a wrong one says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pytest_obsstack.options import Options
from pytest_obsstack.options.kinds import COMPONENTS, GUIDE_PORTS
from pytest_obsstack.options.table import TABLE
from pytest_obsstack.run_state import OPTIONS

DSN = "http://0123456789abcdef@sentry.example/1"


@pytest.fixture(autouse=True)
def _no_inherited_options(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("OBS_"):
            monkeypatch.delenv(name)
    # Others' plugins would take longer to load than the tests themselves.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "pytest_obsstack.plugin")


def options(pytester: pytest.Pytester, *arguments: str) -> Options:
    """The options of a pytest run with these arguments."""
    # That plugin collects garbage at the end of each run, which takes longer than all the rest.
    config = pytester.parseconfigure("-p", "no:unraisableexception", *arguments)
    return config.stash[OPTIONS]


def ini(pytester: pytest.Pytester, *lines: str) -> None:
    pytester.makeini("\n".join(["[pytest]", *lines]))


def refusal(pytester: pytest.Pytester, *arguments: str) -> str:
    with pytest.raises(pytest.UsageError) as caught:
        options(pytester, *arguments)
    return str(caught.value)


# option, text as flag, in the ini file and in the variable, the field, its value
GIVEN: list[tuple[str, str, str, Any]] = [
    ("stack", "attach", "stack", "attach"),
    ("use", "prometheus=http://h:1", "use", {"prometheus": "http://h:1"}),
    ("port", "sentry=9000", "port", {"sentry": 9000}),
    ("timeout", "2.5", "timeout_s", 2.5),
    ("timeout_factor", "3", "timeout_s", 30.0),
    ("keep_stack", "true", "keep_stack", True),
    ("strict", "yes", "strict", True),
    ("allow_writes", "ON", "allow_writes", True),
    ("compose_file", "more.yml", "compose_file", ("more.yml",)),
    ("compose_command", "podman compose", "compose_command", "podman compose"),
    ("start_timeout", "60", "start_timeout_s", 60.0),
    ("home", "elsewhere", "home", "elsewhere"),
    ("claims", "claims.toml", "claims", "claims.toml"),
    ("proofs", "proofs.json", "proofs", "proofs.json"),
    ("mutate", "true", "mutate", True),
    ("mutate_min", "95", "mutate_min", 95.0),
    ("sentry_token", "abc", "sentry_token", "abc"),
    ("sentry_organization", "acme", "sentry_organization", "acme"),
    ("sentry_project", "shop", "sentry_project", "shop"),
    ("sentry_flavour", "glitchtip", "sentry_flavour", "glitchtip"),
    ("sentry_dsn", DSN, "sentry_dsn", DSN),
]


def test_every_option_is_in_this_file() -> None:
    assert [name for name, *_ in GIVEN] == [option.name for option in TABLE]


@pytest.mark.parametrize(("name", "text", "field", "value"), GIVEN)
@pytest.mark.parametrize("way", ["flag", "ini", "variable"])
def test_every_option_is_a_flag_an_ini_key_and_a_variable(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    text: str,
    field: str,
    value: Any,
    way: str,
) -> None:
    arguments = []
    if way == "flag":
        flag = "--obs-" + name.replace("_", "-")
        arguments = [flag] if value is True else [f"{flag}={text}"]
    elif way == "ini":
        ini(pytester, f"obs_{name} = {text}")
    else:
        monkeypatch.setenv(f"OBS_{name.upper()}", text)
    found = options(pytester, *arguments)
    wanted = pytester.path / value if field in ("home", "claims", "proofs") else value
    if field == "compose_file":
        wanted = tuple(pytester.path / name for name in value)
    assert getattr(found, field) == wanted
    assert found.given == {name}


def test_what_nobody_gave_has_its_default(pytester: pytest.Pytester) -> None:
    found = options(pytester)
    assert found == Options(home=pytester.path / ".obsstack")
    assert found.given == frozenset()


def test_a_flag_goes_before_a_variable_and_that_before_the_ini_file(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    ini(pytester, "obs_timeout = 1")
    assert options(pytester).timeout_s == 1
    monkeypatch.setenv("OBS_TIMEOUT", "2")
    assert options(pytester).timeout_s == 2
    assert options(pytester, "--obs-timeout=3").timeout_s == 3


def test_a_variable_switches_off_what_the_ini_file_has_switched_on(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    ini(pytester, "obs_keep_stack = true")
    monkeypatch.setenv("OBS_KEEP_STACK", "0")
    assert options(pytester).keep_stack is False


def test_several_values_come_as_repeated_flags_as_lines_and_as_words(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {"sentry": 1, "loki": 2}
    assert options(pytester, "--obs-port=sentry=1", "--obs-port=loki=2").port == wanted
    monkeypatch.setenv("OBS_PORT", " sentry=1  loki=2 ")
    assert options(pytester).port == wanted
    monkeypatch.delenv("OBS_PORT")
    ini(pytester, "obs_port =", "    sentry=1", "    loki=2")
    assert options(pytester).port == wanted


def test_of_a_component_that_is_given_twice_the_last_holds(pytester: pytest.Pytester) -> None:
    assert options(pytester, "--obs-port=loki=1", "--obs-port=loki=2").port == {"loki": 2}


def test_a_list_of_a_higher_rank_replaces_the_whole_list(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    ini(pytester, "obs_port = sentry=1")
    monkeypatch.setenv("OBS_PORT", "")
    assert options(pytester).port == {}


def test_an_empty_line_of_the_ini_file_gives_nothing(pytester: pytest.Pytester) -> None:
    ini(pytester, "obs_stack =", "obs_use =", "obs_sentry_dsn =")
    assert options(pytester).given == frozenset()


def test_the_timeout_is_multiplied_by_its_factor(pytester: pytest.Pytester) -> None:
    found = options(pytester, "--obs-timeout=4", "--obs-timeout-factor=2.5")
    assert found.timeout_s == 10.0


def test_an_absolute_home_is_not_put_below_the_root(pytester: pytest.Pytester) -> None:
    assert options(pytester, "--obs-home=/somewhere/else").home == Path("/somewhere/else")


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_url_is_legal_for_every_component_of_an_attached_stack(
    pytester: pytest.Pytester, component: str
) -> None:
    use = f"{component}=https://host.example:8443/path"
    found = options(pytester, "--obs-stack=attach", f"--obs-use={use}")
    assert found.use == {component: "https://host.example:8443/path"}


@pytest.mark.parametrize("component", ["sentry", "collector", "prometheus", "loki"])
def test_embedded_is_a_choice_of_the_embedded_stack(
    pytester: pytest.Pytester, component: str
) -> None:
    assert options(pytester, f"--obs-use={component}=embedded").use == {component: "embedded"}


def test_the_guides_ports_name_components() -> None:
    assert set(GUIDE_PORTS) == set(COMPONENTS)


# ---- what is refused, and how it reads


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ["--obs-stack=docker"],
            "--obs-stack: expected one of embedded, compose, attach; found 'docker'",
        ),
        (["--obs-timeout=0"], "--obs-timeout: expected a number greater than 0; found '0'"),
        (["--obs-timeout=-1"], "--obs-timeout: expected a number greater than 0; found '-1'"),
        (["--obs-timeout=ten"], "--obs-timeout: expected a number greater than 0; found 'ten'"),
        (["--obs-timeout=nan"], "--obs-timeout: expected a number greater than 0; found 'nan'"),
        (
            ["--obs-timeout-factor=inf"],
            "--obs-timeout-factor: expected a number greater than 0; found 'inf'",
        ),
        (
            ["--obs-use=prometheus"],
            "--obs-use: expected COMPONENT=CHOICE or COMPONENT=URL; found 'prometheus'",
        ),
        (
            ["--obs-use=loki="],
            "--obs-use: expected COMPONENT=CHOICE or COMPONENT=URL; found 'loki='",
        ),
        (
            ["--obs-use=jaeger=http://h"],
            (
                "--obs-use: no component 'jaeger'; there are sentry, collector, prometheus, loki, "
                "tempo, grafana, app; found 'jaeger=http://h'"
            ),
        ),
        (
            ["--obs-use=sentry=glitchtip"],
            (
                "--obs-use sentry=glitchtip: with --obs-stack=embedded, sentry is one of: "
                "embedded, a URL (http://… or https://…)"
            ),
        ),
        (
            ["--obs-stack=attach", "--obs-use=loki=embedded"],
            (
                "--obs-use loki=embedded: with --obs-stack=attach, loki is one of: a URL "
                "(http://… or https://…)"
            ),
        ),
        (
            ["--obs-use=loki=ftp://h"],
            (
                "--obs-use loki=ftp://h: with --obs-stack=embedded, loki is one of: embedded, "
                "a URL (http://… or https://…)"
            ),
        ),
        (
            ["--obs-port=sentry"],
            "--obs-port: expected COMPONENT=PORT with a port from 1 to 65535; found 'sentry'",
        ),
        (
            ["--obs-port=sentry=http"],
            "--obs-port: expected COMPONENT=PORT with a port from 1 to 65535; found 'sentry=http'",
        ),
        (
            ["--obs-port=sentry=²"],
            "--obs-port: expected COMPONENT=PORT with a port from 1 to 65535; found 'sentry=²'",
        ),
        (
            ["--obs-port=sentry=0"],
            "--obs-port: expected COMPONENT=PORT with a port from 1 to 65535; found 'sentry=0'",
        ),
        (
            ["--obs-port=sentry=65536"],
            "--obs-port: expected COMPONENT=PORT with a port from 1 to 65535; found 'sentry=65536'",
        ),
        (
            ["--obs-port=jaeger=3000"],
            (
                "--obs-port: no component 'jaeger'; there are sentry, collector, prometheus, "
                "loki, tempo, grafana, app; found 'jaeger=3000'"
            ),
        ),
        (
            ["--obs-port=grafana=3000"],
            (
                "--obs-port grafana=…: expected a component that this run starts; "
                "--obs-stack=embedded starts sentry, collector, prometheus, loki, app"
            ),
        ),
        (
            ["--obs-stack=attach", "--obs-port=sentry=9000"],
            (
                "--obs-port sentry=…: expected a component that this run starts; "
                "--obs-stack=attach starts nothing"
            ),
        ),
        (
            ["--obs-stack=compose", "--obs-use=grafana=http://h", "--obs-port=grafana=3000"],
            (
                "--obs-port grafana=…: expected a component that this run starts; "
                "grafana is at http://h"
            ),
        ),
        (
            ["--obs-stack=compose", "--obs-use=loki=http://h"],
            (
                "--obs-use loki=http://h: the containers' pipeline ends in their own collector, "
                "prometheus, loki and tempo; use --obs-stack=attach with a URL for each component"
            ),
        ),
        (
            ["--obs-stack=compose", "--obs-use=sentry=kent"],
            (
                "--obs-use sentry=kent: with --obs-stack=compose, sentry is one of: glitchtip, "
                "bugsink, lite, a URL (http://… or https://…)"
            ),
        ),
        (
            ["--obs-stack=compose", "--obs-use=app=http://h"],
            (
                "--obs-use app=http://h: the stack of containers starts the app itself; use "
                "--obs-stack=attach with a URL for each component, or override the fixture "
                "obs_app_spec to return an AppSpec with that url"
            ),
        ),
        (
            ["--obs-use=sentry=http://h"],
            (
                "--obs-use sentry=http://h: the embedded stack cannot do without its own sentry; "
                "use --obs-stack=attach with a URL for each component"
            ),
        ),
        (
            ["--obs-use=app=http://h"],
            (
                "--obs-use app=http://h: the embedded stack starts the app itself; use "
                "--obs-stack=attach with a URL for each component, or override the fixture "
                "obs_app_spec to return an AppSpec with that url"
            ),
        ),
    ],
)
def test_a_wrong_value_says_what_was_expected_and_found(
    pytester: pytest.Pytester, arguments: list[str], text: str
) -> None:
    assert refusal(pytester, *arguments) == text


def test_a_wrong_variable_is_named_as_one(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OBS_STRICT", "maybe")
    assert refusal(pytester) == (
        "OBS_STRICT: expected one of true, false, yes, no, on, off, 1, 0; found 'maybe'"
    )


def test_a_wrong_line_of_the_ini_file_is_named_as_one(pytester: pytest.Pytester) -> None:
    ini(pytester, "obs_timeout = soon")
    assert refusal(pytester) == (
        "obs_timeout of the ini file: expected a number greater than 0; found 'soon'"
    )


def test_a_wrong_secret_is_not_shown(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OBS_SENTRY_DSN", "ftp://s3cr3tkey@h/1")
    assert refusal(pytester) == (
        "OBS_SENTRY_DSN: invalid DSN: scheme\n"
        "  expected  http or https\n"
        "  found     'ftp'; found (hidden)"
    )


def test_secrets_are_not_shown_with_the_options(pytester: pytest.Pytester) -> None:
    found = options(pytester, "--obs-sentry-token=t0ken", f"--obs-sentry-dsn={DSN}")
    assert "t0ken" not in repr(found)
    assert "0123456789abcdef" not in repr(found)
    assert "sentry_token=(hidden)" in repr(found)


def test_pytest_ends_with_the_text_alone(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--obs-stack=docker")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --obs-stack: expected one of embedded, compose, attach; found 'docker'"]
    )
    result.stderr.no_fnmatch_line("*Traceback*")


def test_help_names_flag_ini_key_and_variable_of_every_option(pytester: pytest.Pytester) -> None:
    text = " ".join(pytester.runpytest("--help").stdout.str().split())
    for option in TABLE:
        assert option.flag in text
        assert f"(ini: {option.ini}, environment: {option.variable})" in text


def test_faults_can_be_injected_on_the_embedded_stack_alone(pytester: pytest.Pytester) -> None:
    assert options(pytester, "--obs-mutate").mutate is True
    assert refusal(pytester, "--obs-mutate", "--obs-stack=compose") == (
        "--obs-mutate: expected --obs-stack=embedded, found --obs-stack=compose; the faults are "
        "injected where the embedded servers receive, which other servers do not allow"
    )


@pytest.mark.parametrize("text", ["101", "-1", "most", "nan"])
def test_a_score_is_a_percentage(pytester: pytest.Pytester, text: str) -> None:
    assert refusal(pytester, f"--obs-mutate-min={text}") == (
        f"--obs-mutate-min: expected a percentage from 0 to 100; found {text!r}"
    )
