"""reach, tls and clock: what each answer, and each kind of silence, is told as."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from pytest_obsstack.endpoints import Endpoints, LokiEndpoint
from pytest_obsstack.provision.doctor.finding import Outcome
from pytest_obsstack.provision.doctor.probe import Probe, Server, probe, why
from pytest_obsstack.provision.doctor.subject import Setup, Subject
from tests.unit.provision.doctor.world import NOW_S, World, rows

READY = "GET http://loki.test:3100/ready"


def reach(world: World, component: str) -> Outcome:
    return rows(world.subject(), "reach")[f"reach {component}"]


@pytest.mark.parametrize(
    ("component", "pattern", "answer", "expected"),
    [
        (
            "loki",
            READY,
            httpx.Response(503, text="Ingester not ready: waiting for 15s"),
            Outcome(
                "fail",
                "GET /ready is answered 503: Ingester not ready: waiting for 15s",
                "wait until Loki is ready, or see its log",
            ),
        ),
        (
            "loki",
            READY,
            httpx.Response(401, text="no"),
            Outcome(
                "warn",
                "GET /ready is answered 401",
                "check that Loki is what answers at http://loki.test:3100, and with which "
                "credentials",
            ),
        ),
        (
            "dsn",
            "OPTIONS .*",
            httpx.Response(404),
            Outcome(
                "fail",
                "OPTIONS /api/7/envelope/ is answered 404: http://sentry.test:9000 has no "
                "envelope endpoint",
                "correct host and path of the DSN; an old Sentry (before 20.6) takes no envelopes",
            ),
        ),
        (
            "dsn",
            "OPTIONS .*",
            httpx.Response(308, headers={"location": "https://sentry.test/api/7/envelope/"}),
            Outcome(
                "fail",
                "OPTIONS /api/7/envelope/ is answered 308, a redirect to "
                "https://sentry.test/api/7/envelope/",
                "name the address that it redirects to: a sender's POST is not repeated there",
            ),
        ),
        (
            "dsn",
            "OPTIONS .*",
            httpx.Response(400, text="Client sent an HTTP request to an HTTPS server."),
            Outcome("fail", "sentry.test:9000 speaks TLS, not plain HTTP", "write https://"),
        ),
        (
            "loki",
            READY,
            httpx.Response(
                400, text="<center>The plain HTTP request was sent to HTTPS port</center>"
            ),
            Outcome("fail", "loki.test:3100 speaks TLS, not plain HTTP", "write https://"),
        ),
        (
            "collector",
            "GET http://collector.test:4318/v1/traces",
            httpx.Response(404),
            Outcome(
                "fail",
                "GET /v1/traces is answered 404, by what is no OTLP receiver",
                "name the address of OTLP over HTTP, without /v1/traces: port 4318 as a rule",
            ),
        ),
        (
            "collector",
            "GET http://collector.test:4318/v1/traces",
            httpx.RemoteProtocolError("illegal status line."),
            Outcome(
                "fail",
                "what listens at collector.test:4318 does not speak HTTP/1.1 (illegal status line)",
                "check the port: OTLP over HTTP is 4318, 4317 is gRPC; a port of TLS needs "
                "https://",
            ),
        ),
        (
            "loki",
            READY,
            httpx.ReadTimeout("timed out"),
            Outcome(
                "fail",
                "loki.test:3100 takes the connection but does not answer within 5 s",
                "it hangs or is overloaded: look at its log",
            ),
        ),
        (
            "loki",
            READY,
            httpx.ConnectTimeout("timed out"),
            Outcome(
                "fail",
                "no connection to loki.test:3100 within 5 s",
                "a firewall or network policy may drop the packets; check host and port",
            ),
        ),
        (
            "loki",
            READY,
            httpx.WriteError("Broken pipe"),
            Outcome(
                "fail",
                "no answer from loki.test:3100: WriteError: Broken pipe",
                "check host, port and network",
            ),
        ),
    ],
)
def test_what_a_server_answers_is_told_with_what_to_do(
    component: str, pattern: str, answer: httpx.Response | Exception, expected: Outcome
) -> None:
    world = World()
    world.on(pattern, answer)
    assert reach(world, component) == expected


def test_what_does_not_answer_is_not_asked_further() -> None:
    world = World()
    world.on(READY, httpx.ConnectError("[Errno 111] Connection refused"))
    found = rows(world.subject(), "reach", "clock", "log", "labels")
    assert found["reach loki"] == Outcome(
        "fail",
        "nothing listens at loki.test:3100 (connection refused)",
        "start it, or correct host and port",
    )
    assert found["clock loki"] == Outcome("skipped", "Loki does not answer: see reach loki")
    why_not = "Loki does not answer as it should: see reach loki"
    assert found["log"] == found["labels"] == Outcome("skipped", why_not)
    assert world.lines == []


def test_a_name_that_does_not_resolve_is_told_from_a_server_that_is_down() -> None:
    world = World()

    def resolve(host: str, _: int) -> None:
        if host == "loki.test":
            raise socket.gaierror(-2, "Name or service not known")

    subject = world.subject()
    subject.resolve = resolve
    assert rows(subject, "reach")["reach loki"] == Outcome(
        "fail",
        "the name 'loki.test' does not resolve (Name or service not known)",
        "correct the host; names of a container network are not known on this machine",
    )
    assert world.sent(READY) == []


def test_a_name_that_cannot_be_one_does_not_resolve_either() -> None:
    server = Server("loki", "Loki", "http://x", f"http://{'a' * 70}.test/ready")
    failure = probe(server).failure
    assert failure is not None
    assert failure.found.startswith(f"the name '{'a' * 70}.test' does not resolve (")


def test_a_look_up_that_fails_inside_the_connection_is_one_of_names() -> None:
    error = httpx.ConnectError("[Errno -2] Name or service not known")
    error.__cause__ = socket.gaierror(-2, "Name or service not known")
    failure = why(error, "loki.test", 80)
    assert failure.found == "the name 'loki.test' does not resolve (Name or service not known)"


# ---- clock


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Fri, 15 Jan 2027 08:00:04 GMT", Outcome("ok", "within 5 s of this machine's")),
        ("Fri, 15 Jan 2027 08:00:09 GMT", ("warn", "10 s ahead of this machine's")),
        ("Fri, 15 Jan 2027 07:59:10 GMT", ("warn", "50 s behind this machine's")),
        ("Fri, 15 Jan 2027 08:01:30 GMT", ("fail", "90 s ahead of this machine's")),
        ("Fri, 15 Jan 2027 07:10:00 GMT", ("fail", "50 min behind this machine's")),
        ("Sat, 16 Jan 2027 08:00:00 GMT", ("fail", "24 h ahead of this machine's")),
        (None, Outcome("skipped", "Loki tells no time (no header Date)")),
        ("yesterday", Outcome("skipped", "Loki tells no time (no header Date)")),
    ],
)
def test_a_clock_that_is_off_is_told_with_how_far(
    date: str | None, expected: Outcome | tuple[str, str]
) -> None:
    world = World()
    world.on(READY, httpx.Response(200, headers={} if date is None else {"date": date}))
    if isinstance(expected, tuple):
        do = (
            "set both by NTP: Loki and Prometheus refuse or misplace what is out of their time, "
            "the error tracker sorts it wrongly"
        )
        expected = Outcome("warn" if expected[0] == "warn" else "fail", expected[1], do)
    assert rows(world.subject(), "clock")["clock loki"] == expected


def test_servers_of_this_machine_that_tell_no_time_have_its_clock() -> None:
    world = World()
    world.on(READY, httpx.Response(200))
    found = rows(world.subject(here=True), "clock")
    assert found["clock loki"] == Outcome("ok", "runs on this machine, so by the same clock")


# ---- TLS


def test_a_server_that_speaks_plain_http_at_an_https_address_is_found_out() -> None:
    with _plain_server() as port:
        found = rows(_over_tls(f"https://127.0.0.1:{port}"), "reach", "tls")
    expected = Outcome(
        "fail",
        f"127.0.0.1:{port} speaks plain HTTP, not TLS",
        "write http://, or the port of TLS",
    )
    assert found == {"reach loki": expected, "tls loki": expected}


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_a_certificate_of_ones_own_is_found_out(tmp_path: Path) -> None:
    with _tls_server(tmp_path) as port:
        found = rows(_over_tls(f"https://127.0.0.1:{port}"), "reach", "tls")
    outcome = found["tls loki"]
    assert outcome == found["reach loki"]
    assert outcome.status == "fail"
    assert re.fullmatch(
        rf"the certificate of 127.0.0.1:{port} is not trusted: self.signed certificate",
        outcome.found,
    )


def test_a_certificate_that_nobody_trusts_is_told_with_how_to_trust_it() -> None:
    message = (
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate "
        "(_ssl.c:1006)"
    )
    failure = why(httpx.ConnectError(message), "loki.test", 443)
    assert (
        failure.found == "the certificate of loki.test:443 is not trusted: self-signed certificate"
    )
    assert failure.do == (
        "let the senders trust its issuer: ca_certs of sentry_sdk.init, "
        "OTEL_EXPORTER_OTLP_CERTIFICATE; or give the server a certificate of a public issuer"
    )
    assert failure.tls
    other = why(httpx.ConnectError("[SSL] handshake failure"), "loki.test", 443)
    assert other.found == "TLS with loki.test:443 fails: [SSL] handshake failure"
    assert other.do == "look at the server's TLS settings"


@pytest.mark.parametrize(
    ("ends_in_days", "expected"),
    [
        (90, Outcome("ok", "TLSv1.3, its certificate is trusted and expires in 90 days")),
        (
            3,
            Outcome(
                "warn",
                "TLSv1.3, its certificate is trusted and expires in 3 days",
                "renew the certificate: from that day on senders lose everything",
            ),
        ),
    ],
)
def test_a_certificate_that_expires_soon_is_told(ends_in_days: int, expected: Outcome) -> None:
    subject = _over_tls("https://loki.test")
    ends_s = NOW_S + ends_in_days * 86400 + 1
    answer = Probe(0.01, 200, tls="TLSv1.3", certificate_ends_s=ends_s)
    subject.once("probe loki", lambda: answer)
    assert rows(subject, "tls")["tls loki"] == expected


def test_the_end_of_a_certificate_is_read_from_the_connection() -> None:
    class Connection:
        def getpeercert(self) -> dict[str, str]:
            return {"notAfter": "Jan 15 08:00:00 2027 GMT"}

        def version(self) -> str:
            return "TLSv1.2"

    class Stream:
        def get_extra_info(self, name: str) -> Connection:
            assert name == "ssl_object"
            return Connection()

    transport = httpx.MockTransport(
        lambda _: httpx.Response(200, extensions={"network_stream": Stream()})
    )
    server = Server("loki", "Loki", "https://loki.test", "https://loki.test/ready")
    found = probe(server, resolve=lambda *_: None, transport=transport)
    assert (found.tls, found.certificate_ends_s) == ("TLSv1.2", NOW_S)
    assert ssl.cert_time_to_seconds("Jan 15 08:00:00 2027 GMT") == NOW_S


def test_only_what_is_reached_by_https_has_a_row_of_tls() -> None:
    world = World()
    assert rows(world.subject(), "tls") == {
        "tls": Outcome("skipped", "no server is reached by https")
    }
    endpoints = replace(world.subject().endpoints, loki=LokiEndpoint("https://loki.test"))
    world.on(".* https://loki.test/ready", httpx.Response(200))
    assert rows(world.subject(endpoints=endpoints), "tls") == {
        "tls loki": Outcome("ok", "its certificate is trusted")
    }


def _over_tls(url: str) -> Subject:
    return Subject(Setup("x", Endpoints(loki=LokiEndpoint(url))), environ={}, now_s=lambda: NOW_S)


@contextlib.contextmanager
def _tls_server(folder: Path) -> Iterator[int]:
    """Speaks TLS with a certificate that it has made itself, once."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=127.0.0.1", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with contextlib.suppress(OSError), connection:
                context.wrap_socket(connection, server_side=True).close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)


@contextlib.contextmanager
def _plain_server() -> Iterator[int]:
    """Answers whatever comes in plain HTTP, once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)
