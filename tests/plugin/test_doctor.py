"""``obsstack doctor`` and ``obsstack send`` on a real embedded stack, whole and with each fault."""

from __future__ import annotations

import contextlib
import errno
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from docs.doctor import run_sections
from docs.sections import filled
from pytest_obsstack.endpoints import TrackerFlavour
from pytest_obsstack.options.kinds import STARTED
from pytest_obsstack.providers.embedded import EmbeddedControl
from pytest_obsstack.providers.home import Home
from pytest_obsstack.providers.ports import free_port
from pytest_obsstack.providers.state import StackState, read_state
from pytest_obsstack.provision.doctor.checks import examine
from pytest_obsstack.provision.doctor.choose import Given, choose
from pytest_obsstack.provision.doctor.finding import Outcome
from pytest_obsstack.provision.doctor.subject import Subject
from tests.contract.tracker_servers import live_account, not_at_hand
from tests.plugin.inner import Project

PORTS = [name for name in STARTED["embedded"] if name != "app"]
EXPORTER_DO = (
    "correct endpoint and key of the exporter to {0} in the collector's configuration, and see "
    "that {0} takes what it sends"
)
PIPELINE_DO = (
    "correct the exporter's endpoint and key in the collector's configuration; the collector's log "
    "has the backend's words"
)
STANDING = {"tls", "grafana"}
"""What an embedded stack has nothing of, so that these are always skipped."""


def up(project: Project) -> StackState:
    ports = [f"--port={name}={free_port()}" for name in PORTS]
    run = project.obsstack("up", "--no-app", *ports)
    assert run.status == 0, run.output
    state = read_state(Home(project.home).kept_path)
    assert state is not None
    return state


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, StackState]]:
    """A stack that was left running, for all tests that mend what they break."""
    project = Project(tmp_path_factory.mktemp("doctor"))
    state = up(project)
    try:
        yield project, state
    finally:
        down = project.obsstack("down")
        assert down.status == 0, down.output


@pytest.fixture
def control(kept: tuple[Project, StackState]) -> Iterator[EmbeddedControl]:
    """Steers the stack; afterwards all is well in it again."""
    _, state = kept
    assert state.control is not None
    with contextlib.closing(EmbeddedControl(state.control)) as found:
        yield found
        for product in PORTS:
            found.set_faults(product, [])
            found.start(product)
        found.scrape()


def troubles(project: Project, given: Given | None = None, **environ: str) -> dict[str, Outcome]:
    """The rows that are not well, by label; numbers of the collector's counters left out."""
    setup = choose(given or Given(), Home(project.home), environ)
    with contextlib.closing(Subject(setup, timeout_s=5.0, environ=environ)) as subject:
        report = examine(subject)
    found = {}
    for each in report.findings:
        outcome = each.outcome
        if outcome.status == "ok" or each.check in STANDING:
            continue
        if each.check == "pipeline":
            if outcome.status == "warn":
                # What another test of this module has broken.
                continue
            found_ = re.sub(r"\b\d+( \w+ \w+?)s?\b", r"N\1", outcome.found)
            outcome = replace(outcome, found=re.sub(r"\d+", "N", found_))
        found[each.label] = replace(outcome, took_s=None)
    return found


def of(outcomes: dict[str, Outcome], status: str) -> dict[str, str]:
    return {label: each.found for label, each in outcomes.items() if each.status == status}


def sentry_of(state: StackState) -> tuple[str, str]:
    """The tracker's URL and the project's DSN."""
    assert state.endpoints.sentry is not None
    assert state.endpoints.sentry.dsn is not None
    return state.endpoints.sentry.url, state.endpoints.sentry.dsn


def test_a_stack_in_which_all_is_well_passes_every_check(project: Project) -> None:
    state = up(project)
    try:
        table = project.obsstack("doctor")
        as_json = project.obsstack("doctor", "--json")
        sent = project.obsstack("send", "--message", "by hand", "--json")
    finally:
        down = project.obsstack("down")
    assert down.status == table.status == as_json.status == sent.status == 0, table.output
    assert table.lines[0] == f"obsstack doctor: the kept embedded stack, run {state.run_id}"
    assert table.lines[-1] == "29 ok, 0 to look at, 0 failed, 2 skipped"
    told = json.loads(as_json.output)
    assert told["counts"] == {"ok": 29, "warn": 0, "fail": 0, "skipped": 2}
    assert {row["check"] for row in told["checks"] if row["status"] == "skipped"} == STANDING
    timed = {row["check"] for row in told["checks"] if row["took_s"] is not None}
    assert timed == {"reach", "event", "encoding", "transaction", "span", "log", "metric"}
    event = json.loads(sent.output)
    url, dsn = sentry_of(state)
    assert (event["accepted"], event["arrived"]) == (True, True)
    assert event["link"].startswith(f"{url}/organizations/obsstack/issues/")
    key = dsn.partition("//")[2].partition("@")[0]
    assert key not in table.output + as_json.output + sent.output


def test_the_page_shows_what_is_said() -> None:
    page = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text("utf-8")
    assert filled(page, run_sections()) == page, "run: python -m docs.generate"


def test_what_was_sent_by_hand_has_an_issue(kept: tuple[Project, StackState]) -> None:
    project, state = kept
    sent = project.obsstack("send", "--message", "look at me", "--level", "warning", "--json")
    assert sent.status == 0, sent.output
    url, _ = sentry_of(state)
    assert state.endpoints.sentry is not None
    event = httpx.get(
        f"{url}/api/0/projects/obsstack/simple-app/events/{json.loads(sent.output)['event_id']}/",
        headers={"authorization": f"Bearer {state.endpoints.sentry.token}"},
        trust_env=False,
    ).json()
    assert event["title"] == "look at me"
    assert {"key": "level", "value": "warning"} in event["tags"]


@pytest.mark.parametrize(
    ("product", "name", "skipped"),
    [
        ("loki", "Loki", {"log", "labels"}),
        ("prometheus", "Prometheus", {"metric", "targets"}),
    ],
)
def test_a_backend_that_is_stopped(
    kept: tuple[Project, StackState],
    control: EmbeddedControl,
    product: str,
    name: str,
    skipped: set[str],
) -> None:
    project, state = kept
    control.stop(product)
    address = state.products[product].url.removeprefix("http://")
    why = f"{name} does not answer as it should: see reach {product}"
    assert troubles(project) == {
        f"reach {product}": Outcome(
            "fail",
            f"nothing listens at {address} (connection refused)",
            "start it, or correct host and port",
        ),
        f"clock {product}": Outcome("skipped", f"{name} does not answer: see reach {product}"),
        **{check: Outcome("skipped", why) for check in skipped},
    }


def test_a_tracker_that_is_stopped(
    kept: tuple[Project, StackState], control: EmbeddedControl
) -> None:
    project, state = kept
    control.stop("sentry")
    address = state.products["sentry"].url.removeprefix("http://")
    down = Outcome(
        "fail",
        f"nothing listens at {address} (connection refused)",
        "start it, or correct host and port",
    )
    api = Outcome("skipped", "Sentry does not answer as it should: see reach sentry")
    envelopes = Outcome("skipped", "Sentry does not answer as it should: see reach dsn")
    assert troubles(project) == {
        "reach dsn": down,
        "reach sentry": down,
        "clock sentry": Outcome("skipped", "Sentry does not answer: see reach sentry"),
        **dict.fromkeys(("api", "project", "key", "span sentry"), api),
        **dict.fromkeys(("event", "encoding br", "transaction"), envelopes),
        "limits": Outcome("skipped", "no envelope was sent"),
    }


def test_a_collector_that_is_stopped(
    kept: tuple[Project, StackState], control: EmbeddedControl
) -> None:
    project, state = kept
    control.stop("collector")
    control.scrape()
    url = state.products["collector"].url
    address = url.removeprefix("http://")
    why = Outcome("skipped", "the collector does not answer as it should: see reach collector")
    found = troubles(project)
    # Without a canary the newest line of earlier tests is looked at, if there is one.
    labels = found.pop("labels", None)
    assert labels is None or labels.found == "no stream of the last hour has the label service_name"
    assert found == {
        "reach collector": Outcome(
            "fail",
            f"nothing listens at {address} (connection refused)",
            "start it, or correct host and port",
        ),
        "clock collector": Outcome("skipped", "the collector does not answer: see reach collector"),
        **dict.fromkeys(("span sentry", "log", "metric"), why),
        "health": Outcome(
            "fail",
            "The collector did not answer GET /telemetry/metrics. ConnectError: "
            f"[Errno {errno.ECONNREFUSED}] Connection refused",
            f"check that The collector is running and can be reached at {url}",
        ),
        **{f"pipeline {each}": why for each in ("spans", "metric_points", "log_records")},
        "targets": Outcome(
            "fail",
            f'the scrape of {url}/metrics (otel-collector) fails: Get "{url}/metrics": dial tcp '
            f"{address}: connect: connection refused",
            "correct the target in Prometheus' configuration, or start what should answer there",
        ),
    }


def test_a_wrong_key(kept: tuple[Project, StackState]) -> None:
    project, state = kept
    _, dsn = sentry_of(state)
    key = dsn.partition("//")[2].partition("@")[0]
    wrong = dsn.replace(key, "f" * 32)
    not_sent = Outcome("skipped", "not sent: see key")
    own = dsn.replace(key, f"{key[:4]}…")
    assert troubles(project, Given(dsn=wrong)) == {
        "key": Outcome(
            "fail", "the DSN's key is not that of simple-app", f"take the DSN of simple-app ({own})"
        ),
        **dict.fromkeys(("event", "encoding br", "transaction"), not_sent),
        "limits": Outcome("skipped", "no envelope was sent"),
    }


def test_a_wrong_project(kept: tuple[Project, StackState]) -> None:
    project, state = kept
    _, dsn = sentry_of(state)
    key = dsn.partition("//")[2].partition("@")[0]
    not_sent = Outcome("skipped", "not sent: see project")
    own = dsn.replace(key, f"{key[:4]}…")
    assert troubles(project, Given(dsn=f"{dsn}99")) == {
        "project": Outcome(
            "fail",
            "the DSN reports to project 199, the API is asked for project 1 (simple-app)",
            f"take the DSN of simple-app ({own}), or ask for the DSN's project",
        ),
        "key": Outcome("skipped", "the DSN is another project's: see project"),
        **dict.fromkeys(("event", "encoding br", "transaction"), not_sent),
        "limits": Outcome("skipped", "no envelope was sent"),
    }


def test_a_wrong_key_without_an_api_shows_when_the_canary_is_refused(
    kept: tuple[Project, StackState],
) -> None:
    project, state = kept
    url, dsn = sentry_of(state)
    key = dsn.partition("//")[2].partition("@")[0]
    wrong = dsn.replace(key, "f" * 32)
    sent = project.obsstack("send", "--dsn", wrong, "--json")
    told = json.loads(sent.output)
    assert (sent.status, told["accepted"], told["arrived"], told["link"]) == (1, False, None, None)
    assert told["found"] == (
        "the event was answered 403: event submission rejected with_reason: ProjectId; the key is "
        "none of project 1"
    )
    assert told["dsn"] == f"{url.replace('//', '//ffff…@')}/1"


def test_an_exporter_of_the_collector_that_fails(
    kept: tuple[Project, StackState], control: EmbeddedControl
) -> None:
    project, state = kept
    control.set_faults("loki", [{"path": "/otlp/.*", "status": 503, "body": "no"}])
    url = state.products["loki"].url
    assert troubles(project) == {
        "log": Outcome(
            "fail",
            f"the collector answered 503: error exporting items, request to {url}/otlp/v1/logs "
            "responded with HTTP Status Code 503, Message=no, Details=[]",
            EXPORTER_DO.format("Loki"),
            hop="collector → Loki",
        ),
        "pipeline log_records": Outcome(
            "fail",
            "accepted N log record, refused N; otlp_http/loki sent N, lost N; while doctor ran, "
            "otlp_http/loki lost N log record",
            PIPELINE_DO,
        ),
        "labels": Outcome("skipped", "the canary's line is not there: see log (collector → Loki)"),
    }


def test_a_tracker_that_refuses_the_collectors_spans(
    kept: tuple[Project, StackState], control: EmbeddedControl
) -> None:
    project, state = kept
    control.set_faults("sentry", [{"path": ".*/otlp/.*", "status": 403, "body": "no"}])
    found = troubles(project)
    url = state.products["sentry"].url
    assert found.keys() == {"span sentry", "pipeline spans"}
    assert found["span sentry"].hop == "collector → Sentry"
    assert found["span sentry"].do == EXPORTER_DO.format("Sentry")
    assert found["span sentry"].found.startswith(
        "the collector answered 403: Permanent error: rpc error: code = PermissionDenied desc = "
        f"error exporting items, request to {url}/api/1/integration/otlp/v1/traces responded"
    )


def test_a_target_of_prometheus_that_is_down(
    kept: tuple[Project, StackState], control: EmbeddedControl
) -> None:
    project, state = kept
    control.set_faults("collector", [{"path": "/metrics", "status": 500}])
    control.scrape("otel-collector")
    url = state.products["collector"].url
    failing = (
        (
            f"the scrape of {url}/metrics (otel-collector) fails: server returned HTTP status 500 "
            "Internal Server Error"
        ),
        "correct the target in Prometheus' configuration, or start what should answer there",
    )
    assert troubles(project) == {
        "metric": Outcome("fail", *failing, hop="collector → Prometheus"),
        "targets": Outcome("fail", *failing),
    }


def test_a_clock_that_is_off(kept: tuple[Project, StackState], control: EmbeddedControl) -> None:
    project, _ = kept
    date = {"date": "Thu, 01 Jan 2015 00:00:00 GMT"}
    control.set_faults("loki", [{"path": "/ready", "status": 200, "headers": date}])
    found = troubles(project)
    assert found.keys() == {"clock loki"}
    outcome = found["clock loki"]
    assert outcome.status == "fail"
    assert re.fullmatch(r"\d{5,6} h behind this machine's", outcome.found)
    assert outcome.do == (
        "set both by NTP: Loki and Prometheus refuse or misplace what is out of their time, the "
        "error tracker sorts it wrongly"
    )


def test_limits_that_the_tracker_tells(
    kept: tuple[Project, StackState], control: EmbeddedControl
) -> None:
    project, _ = kept
    rule = {
        "path": ".*/envelope/",
        "method": "POST",
        "status": 429,
        "body": '{"detail": "quota"}',
        "headers": {"x-sentry-rate-limits": "60:error;default:organization"},
    }
    control.set_faults("sentry", [rule])
    do = "wait until the limit ends, or raise the project's quota"
    assert troubles(project) == {
        label: Outcome("fail", f"{what} was answered 429: quota", do, hop="here → Sentry")
        for label, what in (
            ("event", "an event"),
            ("encoding br", "an event packed with br"),
            ("transaction", "a transaction"),
        )
    } | {
        "limits": Outcome(
            "fail",
            "senders are told to hold back: error and default for 60 s",
            "wait until it ends, or raise the project's quota: SDKs drop errors until then",
        )
    }


# ---- in front of the tracker a proxy that does not take br, as some do


class WithoutBr(BaseHTTPRequestHandler):
    """Passes everything on but envelopes that are packed with br."""

    upstream = ""

    def do_GET(self) -> None:
        self._pass_on("GET")

    def do_POST(self) -> None:
        self._pass_on("POST")

    def do_OPTIONS(self) -> None:
        self._pass_on("OPTIONS")

    def _pass_on(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("content-encoding") == "br":
            self._answer(415, b"unsupported content encoding")
            return
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in ("host", "content-length", "accept-encoding")
        }
        with httpx.Client(trust_env=False) as client:
            answer = client.request(
                method, self.upstream + self.path, content=body, headers=headers
            )
        self._answer(answer.status_code, answer.content)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: pytest's output is no server's log."""


@pytest.fixture
def proxied(kept: tuple[Project, StackState]) -> Iterator[str]:
    """The tracker's address behind such a proxy."""
    url, _ = sentry_of(kept[1])
    handler = type("Handler", (WithoutBr,), {"upstream": url})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_br_that_is_refused(kept: tuple[Project, StackState], proxied: str) -> None:
    """Also the examination of servers that are named, which the stack's are here."""
    project, state = kept
    url, dsn = sentry_of(state)
    assert state.endpoints.sentry is not None
    given = Given(
        use=[f"sentry={proxied}"],
        dsn=dsn.replace(url.removeprefix("http://"), proxied.removeprefix("http://")),
        allow_writes=True,
        organization="obsstack",
        project="simple-app",
        flavour="embedded",
    )
    found = troubles(project, given, OBS_SENTRY_TOKEN=state.endpoints.sentry.token or "")
    assert of(found, "fail") == {
        "encoding br": "an event packed with br was answered 415: unsupported content encoding; "
        "packed with gzip: arrived in Sentry"
    }
    assert found["encoding br"].do == (
        "let the tracker, or the proxy in front of it, take br; or uninstall brotli beside the "
        'app, or give sentry_sdk.init _experiments={"transport_compression_algo": "gzip"}'
    )
    assert found["encoding br"].hop == "here → Sentry"
    assert of(found, "warn") == {}


def test_named_servers_are_looked_at_and_left_as_they_were(
    kept: tuple[Project, StackState],
) -> None:
    project, state = kept
    assert state.control is not None
    url, _ = sentry_of(state)
    assert state.endpoints.sentry is not None
    with contextlib.closing(EmbeddedControl(state.control)) as control:
        before = control.status()["sentry"]
        given = Given(
            use=[f"sentry={url}", *(f"{n}={state.products[n].url}" for n in ("loki", "collector"))],
            organization="obsstack",
            project="simple-app",
            flavour="embedded",
        )
        found = troubles(project, given, OBS_SENTRY_TOKEN=state.endpoints.sentry.token or "")
        after = control.status()["sentry"]
    assert before == after
    assert of(found, "fail") == {}
    why = "nothing is sent to servers of somebody else without --allow-writes"
    assert {label for label, found_ in of(found, "skipped").items() if found_ == why} == {
        "span sentry",
        "log",
    }


# ---- another tracker, where one is at hand


REPORTS = ("event", "encoding", "transaction", "limits")
PRODUCTS = {"bugsink": "Bugsink", "glitchtip": "GlitchTip"}
OF_LIVE = {
    "bugsink": {
        "transaction": "Bugsink takes no transactions, and tells SDKs so",
        "limits": "senders are told to hold back: transaction and span for 86400 s",
    },
    "glitchtip": {
        "transaction": "accepted; GlitchTip does not show transactions by trace",
        "limits": "none in 3 answers",
    },
}


@pytest.mark.parametrize("flavour", ["bugsink", "glitchtip"])
def test_a_live_tracker_in_which_all_is_well(flavour: TrackerFlavour, tmp_path: Path) -> None:
    why_not = not_at_hand(flavour)
    if why_not:
        pytest.skip(why_not)
    with live_account(flavour, tmp_path) as account:
        made = account.set_up("doctor")
        given = Given(
            use=[f"sentry={account.url}"],
            dsn=made.dsn,
            allow_writes=True,
            organization=made.organization,
            project=made.project,
            flavour=flavour,
        )
        environ = {"OBS_SENTRY_TOKEN": made.token or ""}
        setup = choose(given, Home(tmp_path / "none"), environ)
        with contextlib.closing(Subject(setup, timeout_s=20.0, environ=environ)) as subject:
            report = examine(subject, ("reach", "api", "project", "key", *REPORTS))
    assert {each.label: each.outcome.found for each in report.findings} == {
        "reach dsn": f"answers at {account.url}",
        "reach sentry": f"answers at {account.url}",
        "api": f"{PRODUCTS[flavour]} lets the token look at the project's issues",
        "project": f"{made.project}, project {made.project_id}, both by the DSN and by the API",
        "key": f"the DSN's key is an active one of {made.project}",
        "event": f"arrived in {PRODUCTS[flavour]}",
        "encoding br": f"arrived in {PRODUCTS[flavour]}",
        **OF_LIVE[flavour],
    }
