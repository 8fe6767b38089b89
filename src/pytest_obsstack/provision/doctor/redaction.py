"""What no report may show: keys, tokens and passwords that a diagnosis has been given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from pytest_obsstack.endpoints import Endpoints


def secrets_of(
    endpoints: Endpoints, dsns: Iterable[str | None], environ: Mapping[str, str]
) -> tuple[str, ...]:
    """Every secret in them, longest first; a DSN may be one that cannot be read."""
    found: set[str | None] = set()
    for dsn in dsns:
        head, at, _ = (dsn or "").rpartition("@")
        userinfo = head.rpartition("//")[2] if at else ""
        found.update((userinfo, *userinfo.split(":")))
    sentry, grafana = endpoints.sentry, endpoints.grafana
    if sentry is not None:
        found |= {sentry.token, sentry.admin_password}
        if sentry.dsn:
            found.add(sentry.dsn.rpartition("@")[0].rpartition("//")[2])
    if grafana is not None:
        found.add(grafana.password)
    for endpoint in (endpoints.prometheus, endpoints.loki, endpoints.tempo):
        for value in {} if endpoint is None else endpoint.headers.values():
            found |= {value, value.rpartition(" ")[2]}
    for name, value in environ.items():
        if name.lower().endswith("_proxy"):
            found.add(urlsplit(value).password)
    # Short words would tear holes into plain text: "admin" is no secret.
    real = {secret for secret in found if secret and len(secret) > 5}
    return tuple(sorted(real, key=len, reverse=True))


def redacted(text: str, secrets: Iterable[str]) -> str:
    """The text with each secret cut to its beginning."""
    for secret in secrets:
        text = text.replace(secret, f"{secret[:4]}…" if len(secret) > 8 else "…")
    return text
