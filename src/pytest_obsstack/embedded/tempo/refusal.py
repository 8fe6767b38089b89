"""How the embedded Tempo says what it cannot do."""

from __future__ import annotations


def unsupported_text(what: str) -> str:
    return (
        f"not supported by the embedded Tempo: {what}; use Tempo itself, as the image grafana/tempo"
    )
