"""Whether the product of this container answers: exit code 0 or 1, and one line that says why.

Runs every second or two in every container, so it is a script of the standard library's lightest
modules: ``python -I -S .../container/health.py PRODUCT`` takes 25 ms, of which Python's own start
is the most. ``python -m pytest_obsstack.embedded.container PRODUCT health`` is the same, slower.
"""

import os
import socket
import sys

CHECKS = {
    "sentry": (9000, "/_health/"),
    "collector": (13133, "/"),
    "prometheus": (9090, "/-/ready"),
    "loki": (3100, "/ready"),
    "tempo": (3200, "/ready"),
    "grafana": (3000, "/api/health"),
}
"""Product → its usual port that opens last, and the path there that tells that it is ready."""

_TIMEOUT_S = 2.0
_STATUS_LINE_BYTES = 64


def port_variable(port: int) -> str:
    """The variable that moves what usually listens on ``port`` elsewhere."""
    return f"OBSSTACK_PORT_{port}"


def check(product: str) -> str:
    """What is wrong with the product, empty if it is well."""
    usual_port, path = CHECKS[product]
    port = int(os.environ.get(port_variable(usual_port)) or usual_port)
    what = f"{product}: expected status 200 from 127.0.0.1:{port}{path}, found"
    try:
        found = _status_line(port, path)
    except OSError as error:
        return f"{what} {error.strerror or error}"
    return "" if found.split(" ")[1:2] == ["200"] else f"{what} {found or 'no answer'}"


def _status_line(port: int, path: str) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S) as connection:
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
        )
        received = b""
        while b"\r\n" not in received and len(received) < _STATUS_LINE_BYTES:
            part = connection.recv(_STATUS_LINE_BYTES)
            if not part:
                break
            received += part
    return received.partition(b"\r\n")[0].decode("latin-1")


def main(arguments: "list[str]") -> int:
    """The exit code: 0 well, 1 not well, 2 a question that makes no sense."""
    if len(arguments) != 1 or arguments[0] not in CHECKS:
        print(f"usage: health.py {'|'.join(CHECKS)}", file=sys.stderr)  # noqa: T201
        return 2
    try:
        wrong = check(arguments[0])
    except ValueError as error:
        print(f"{arguments[0]}: its port is no number: {error}", file=sys.stderr)  # noqa: T201
        return 2
    # On stdout, because that is what an engine keeps of a health check.
    print(wrong or f"{arguments[0]} is ready")  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
