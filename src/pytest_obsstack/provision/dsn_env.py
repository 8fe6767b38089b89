"""The file that tells containers where to report: ``NAME=value`` lines, as ``env_file`` reads them.

A tracker names itself in a DSN as a browser reaches it; from another container of its network it
has another address, which stands in the file instead.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.providers.state import write_private
from pytest_obsstack.provision.sentry_setup import SentryProject
from pytest_obsstack.wire.dsn import Dsn


def dsn_variables(project: SentryProject, *, dsn_host: str | None = None) -> dict[str, str]:
    """``SENTRY_DSN`` and what the collector needs, at ``dsn_host`` (``host`` or ``host:port``).

    ``SENTRY_OTLP_TRACES_ENDPOINT`` is left out where the tracker takes no OTLP: an empty one would
    take the place of the collector's own default.
    """
    dsn = Dsn.parse(project.dsn)
    if dsn_host is not None:
        host, port = _host_and_port(dsn_host)
        # Inside a network there is no TLS in front of the tracker.
        dsn = replace(dsn, scheme="http", host=host, port=port)
    variables = {"SENTRY_DSN": str(dsn), "SENTRY_PUBLIC_KEY": dsn.public_key}
    if project.otlp_traces_url is not None:
        moved = project.otlp_traces_url if dsn_host is None else dsn.otlp_traces_url
        variables["SENTRY_OTLP_TRACES_ENDPOINT"] = moved
    return variables


def write_dsn_env(path: Path, project: SentryProject, *, dsn_host: str | None = None) -> None:
    """Write the file in one step, readable by its owner alone.

    Raises ``ObsstackError`` where its folder does not exist or may not be written to.
    """
    variables = dsn_variables(project, dsn_host=dsn_host)
    lines = (f"{name}={value}\n" for name, value in sorted(variables.items()))
    try:
        write_private(path, "".join(lines))
    except OSError as error:
        raise ObsstackError(
            f"{path} cannot be written.",
            expected="a file in a folder that exists and may be written to",
            found=f"{type(error).__name__}: {error.strerror or error}",
            advice="give another file (--write-env)",
        ) from error


def _host_and_port(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.path or parts.query or "@" in text:
        raise ObsstackError(
            "The host for the DSN cannot be one.",
            expected="host or host:port, for example sentry:9000",
            found=repr(text),
            advice="correct --dsn-host",
        )
    return host, 80 if port is None else port
