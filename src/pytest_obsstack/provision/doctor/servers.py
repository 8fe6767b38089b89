"""Whether each server is there: reach, tls, clock."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_obsstack.provision.doctor.finding import Outcome, Skip, fail, ok, warn
from pytest_obsstack.provision.doctor.probe import Server
from pytest_obsstack.provision.doctor.subject import Subject

CLOCK_WARN_S = 5.0
CLOCK_FAIL_S = 60.0
CERTIFICATE_WARN_S = 14 * 86400.0

_IS_OTLP = (400, 401, 403, 405, 415)
"""What an OTLP receiver may answer to a GET: it takes POST alone."""
_SPEAKS_TLS = re.compile("(?i)plain HTTP request was sent to HTTPS|HTTP request to an HTTPS server")
"""What nginx, and servers written in Go, answer at a port of TLS."""


def components(subject: Subject) -> Sequence[str]:
    return tuple(subject.servers)


def with_tls(subject: Subject) -> Sequence[str | None]:
    """Those that are reached by https; one row in their place where there is none."""
    servers = _apart(subject)
    return tuple(name for name in servers if _is_tls(servers[name])) or (None,)


def clocks(subject: Subject) -> Sequence[str]:
    return tuple(_apart(subject))


def _apart(subject: Subject) -> dict[str, Server]:
    """All servers; the DSN's only where the tracker's API is not at the same address."""
    servers = dict(subject.servers)
    ways = [servers[name] for name in ("dsn", "sentry") if name in servers]
    if len({(server.host, server.port) for server in ways}) < len(ways):
        del servers["dsn"]
    return servers


def _is_tls(server: Server) -> bool:
    return server.path_url.startswith("https://")


def reach(subject: Subject, component: str) -> Outcome:
    """Whether the server answers, and as what it should."""
    server, answer = subject.servers[component], subject.probe(component)
    if answer.failure is not None:
        return fail(answer.failure.found, answer.failure.do)
    status = answer.status or 0
    answered = f"{server.method} {server.path} is answered {status}"
    if 300 <= status < 400:
        return fail(
            f"{answered}, a redirect to {answer.location}",
            "name the address that it redirects to: a sender's POST is not repeated there",
        )
    if status == 400 and _SPEAKS_TLS.search(answer.text):
        return fail(f"{server.host}:{server.port} speaks TLS, not plain HTTP", "write https://")
    if status >= 500:
        text = f": {answer.text}" if answer.text else ""
        return fail(f"{answered}{text}", f"wait until {server.product} is ready, or see its log")
    if component == "dsn" and status == 404:
        return fail(
            f"{answered}: {server.url} has no envelope endpoint",
            "correct host and path of the DSN; an old Sentry (before 20.6) takes no envelopes",
        )
    if component == "collector" and status not in _IS_OTLP:
        return fail(
            f"{answered}, by what is no OTLP receiver",
            "name the address of OTLP over HTTP, without /v1/traces: port 4318 as a rule",
        )
    if component not in ("dsn", "collector") and not 200 <= status < 300:
        return warn(
            answered,
            f"check that {server.product} is what answers at {server.url}, and with which "
            "credentials",
            took_s=answer.took_s,
        )
    return ok(f"answers at {server.url}", took_s=answer.took_s)


def tls(subject: Subject, component: str | None) -> Outcome:
    """Whether the certificate of a server that is reached by https is trusted, and for how long."""
    if component is None:
        raise Skip("no server is reached by https")
    server = subject.servers[component]
    answer = subject.probe(component)
    if answer.failure is not None:
        if answer.failure.tls:
            return fail(answer.failure.found, answer.failure.do)
        raise Skip(f"{server.product} does not answer: see reach {component}")
    if answer.certificate_ends_s is None:
        return ok("its certificate is trusted")
    left_s = answer.certificate_ends_s - subject.now_s()
    days = int(left_s // 86400)
    told = f"{answer.tls}, its certificate is trusted and expires in {days} days"
    if left_s < CERTIFICATE_WARN_S:
        return warn(told, "renew the certificate: from that day on senders lose everything")
    return ok(told)


def clock(subject: Subject, component: str) -> Outcome:
    """How far the server's clock is from this machine's, by the ``Date`` of its answer."""
    server, answer = subject.servers[component], subject.probe(component)
    if answer.status is None:
        raise Skip(f"{server.product} does not answer: see reach {component}")
    if answer.ahead_s is None:
        if subject.setup.here:
            return ok("runs on this machine, so by the same clock")
        raise Skip(f"{server.product} tells no time (no header Date)")
    apart_s = abs(answer.ahead_s)
    if apart_s <= CLOCK_WARN_S:
        return ok(f"within {CLOCK_WARN_S:.0f} s of this machine's")
    which = "ahead of" if answer.ahead_s > 0 else "behind"
    found = f"{_duration(apart_s)} {which} this machine's"
    do = (
        "set both by NTP: Loki and Prometheus refuse or misplace what is out of their time, the "
        "error tracker sorts it wrongly"
    )
    return Outcome("fail" if apart_s > CLOCK_FAIL_S else "warn", found, do)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
