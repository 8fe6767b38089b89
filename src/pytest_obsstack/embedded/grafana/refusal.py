"""How the embedded Grafana says what it cannot do."""

from __future__ import annotations


def unsupported_text(what: str) -> str:
    return (
        f"not supported by the embedded Grafana: {what}; "
        "use Grafana itself, as the image grafana/grafana"
    )


class Unsupported(Exception):
    """What Grafana would do; ``what`` names the part that is left out here."""

    def __init__(self, what: str) -> None:
        super().__init__(unsupported_text(what))
        self.what = what
