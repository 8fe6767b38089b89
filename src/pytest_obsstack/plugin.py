"""The pytest hooks. Loading this module imports nothing but pytest and the options."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_obsstack.fixtures import (
    obs,
    obs_alert_receiver,
    obs_app,
    obs_app_spec,
    obs_bench,
    obs_compose_files,
    obs_dsn,
    obs_endpoints,
    obs_grafana,
    obs_loki,
    obs_needs,
    obs_prometheus,
    obs_sentry,
    obs_sentry_sdk,
    obs_session,
    obs_settings,
    obs_stack,
    obs_with_app,
)
from pytest_obsstack.options import add_options, read_options
from pytest_obsstack.run_state import OBSERVER, OPTIONS, SESSION, SessionHolder

__all__ = [
    "obs",
    "obs_alert_receiver",
    "obs_app",
    "obs_app_spec",
    "obs_bench",
    "obs_compose_files",
    "obs_dsn",
    "obs_endpoints",
    "obs_grafana",
    "obs_loki",
    "obs_needs",
    "obs_prometheus",
    "obs_sentry",
    "obs_sentry_sdk",
    "obs_session",
    "obs_settings",
    "obs_stack",
    "obs_with_app",
]

_MARKERS = (
    "e2e: drives the app and looks at what arrived in the stack",
    "claim(id, …): the claims of the claims file that this test proves",
    "obs_requires(capability, …): skip, or fail with --obs-strict, where the stack cannot show it",
    "obs_exclusive: no other test of any worker runs meanwhile; for faults and shared counters",
)

_USAGE_ERROR = "obsstack_usage_error"
_WORKER_ERROR = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    options = read_options(config)
    config.stash[OPTIONS] = options
    holder = SessionHolder(options, getattr(config, "workerinput", None))
    config.stash[SESSION] = holder
    if options.mutate:
        from pytest_obsstack.evidence.mutation.plugin import MutationCheck

        check = MutationCheck(options, holder.folder, is_worker=holder.is_worker)
        config.stash[OBSERVER] = check.observer
        config.pluginmanager.register(check, "obsstack-mutate")
    if options.proofs is not None:
        from pytest_obsstack.evidence.recorder import ProofRecorder

        state_path = None if holder.is_worker else holder.folder / "state.json"
        recorder = ProofRecorder(options.proofs, options, state_path, _uses_stack)
        config.pluginmanager.register(recorder, "obsstack-proofs")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist: tell a worker to which run it belongs."""
    node.workerinput["obsstack"] = node.config.stash[SESSION].for_worker()


def pytest_report_header(config: pytest.Config) -> list[str]:
    options = config.stash[OPTIONS]
    if not options.given and "e2e" not in config.getoption("markexpr", ""):
        return []
    from pytest_obsstack.evidence.summary import header

    return header(options)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    try:
        _check_markers(config, items)
    except pytest.UsageError as error:
        output: dict[str, Any] | None = getattr(config, "workeroutput", None)
        if output is None:
            raise
        # Raised in a worker it would be an internal error: the controller tells it.
        output[_USAGE_ERROR] = str(error)
        items.clear()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """xdist: a worker has ended; take over what it found wrong with the tests."""
    text = getattr(node, "workeroutput", {}).get(_USAGE_ERROR)
    if text is not None:
        node.config.stash[_WORKER_ERROR] = text


def _check_markers(config: pytest.Config, items: list[pytest.Item]) -> None:
    needy = [item for item in items if item.get_closest_marker("obs_requires")]
    if needy:
        from pytest_obsstack.evidence.needs import check_names

        check_names(needy)
        for item in needy:
            # Before any fixture that would need what the stack may lack, and after those that say
            # what the stack is to be (obs_settings, obs_compose_files), which a conftest overrides.
            getattr(item, "fixturenames", []).insert(0, "obs_needs")
    path = config.stash[OPTIONS].claims
    if path is not None:
        from pytest_obsstack.evidence.claims import check_collection

        check_collection(config, items, path)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    holder = item.config.stash[SESSION]
    with contextlib.ExitStack() as stack:
        if holder.workers > 1 and _uses_stack(item):
            from pytest_obsstack.providers.locks import SharedLock

            holder.get()
            lock = SharedLock(holder.folder)
            alone = item.get_closest_marker("obs_exclusive") is not None
            stack.enter_context(lock.exclusive() if alone else lock.shared())
        return (yield)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.stash.get(_WORKER_ERROR, None) is not None:
        session.exitstatus = pytest.ExitCode.USAGE_ERROR
    holder = session.config.stash[SESSION]
    holder.failed = session.testsfailed > 0
    holder.close()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    wrong = config.stash.get(_WORKER_ERROR, None)
    if wrong is not None:
        terminalreporter.write_line(f"ERROR: {wrong}", red=True)
    holder = config.stash[SESSION]
    if holder.used and not holder.is_worker:
        from pytest_obsstack.evidence.summary import write_summary

        write_summary(terminalreporter, holder.run)


def pytest_unconfigure(config: pytest.Config) -> None:
    holder = config.stash.get(SESSION, None)
    if holder is None:
        return
    holder.close()
    if holder.used and not holder.is_worker:
        from pytest_obsstack.errors import ObsstackError
        from pytest_obsstack.provision.ending import end_run

        try:
            end_run(holder.run, keep_logs=holder.failed)
        except ObsstackError as error:
            # The summary is written and the terminal reporter gone; what removes the stack when
            # pytest has ended tries once more.
            sys.stderr.write(f"\nobsstack: {error}\n")


def _uses_stack(item: pytest.Item) -> bool:
    if item.get_closest_marker("obs_exclusive") is not None:
        return True
    return any(
        name == "obs" or name.startswith("obs_") for name in getattr(item, "fixturenames", ())
    )
