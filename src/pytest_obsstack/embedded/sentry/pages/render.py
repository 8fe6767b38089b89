"""Templates to responses. Jinja escapes everything; it is loaded with the first page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import orjson
from starlette.responses import HTMLResponse

from pytest_obsstack.embedded.sentry.pages.security import security_headers
from pytest_obsstack.embedded.sentry.times import NS, iso, parse_iso

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent / "templates"
_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


class Renderer:
    """Makes pages; the clock tells how long ago things were."""

    def __init__(self, clock_ns: Callable[[], int]) -> None:
        self._clock_ns = clock_ns

    def page(self, template: str, status: int = 200, **context: Any) -> HTMLResponse:
        body = self._environment.get_template(template).render(css=self._css, **context)
        return HTMLResponse(body, status, dict(self.headers))

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """What every page carries."""
        return security_headers(self._css)

    @cached_property
    def _css(self) -> str:
        return (_TEMPLATES / "style.css").read_text(encoding="utf-8")

    @cached_property
    def _environment(self) -> Environment:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined

        environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= {
            "ago": lambda text: ago(text, self._clock_ns()),
            "clock": clock,
            "utc": utc,
            "shown": shown,
            "segment": lambda text: quote(str(text), safe=""),
            "query": urlencode,
            "ms": milliseconds,
        }
        return environment


def ago(text: str | None, now_ns: int) -> str:
    """``3 minutes ago`` for an ISO time."""
    time_ns = None if text is None else parse_iso(text)
    if time_ns is None:
        return "never" if text is None else text
    passed_s = max(0, now_ns - time_ns) // NS
    for seconds, unit in _UNITS:
        count = passed_s // seconds
        if count:
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"


def utc(text: str | None) -> str:
    """``2026-11-23 15:34:57.299 UTC`` for an ISO time."""
    time_ns = None if text is None else parse_iso(text)
    if time_ns is None:
        return text or ""
    return f"{iso(time_ns)[:23].replace('T', ' ')} UTC"


def clock(text: str | None) -> str:
    """``15:34:57.299`` for an ISO time."""
    return utc(text).partition(" ")[2].removesuffix(" UTC")


def shown(value: Any) -> str:
    """A value of the app's as text: text as it is, everything else as JSON over several lines."""
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    except TypeError:
        return str(value)


def milliseconds(value: float) -> str:
    """``98.47 ms`` or ``1.20 s``."""
    return f"{value:.2f} ms" if value < 1000 else f"{value / 1000:.2f} s"
