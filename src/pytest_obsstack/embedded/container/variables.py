"""The environment variables that a container is told its settings by."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from pytest_obsstack.embedded.container.health import port_variable

SETTINGS = "OBSSTACK_SETTINGS"
"""A JSON object of the product's own settings, laid over what the other variables say."""
BIND = "OBSSTACK_BIND"
DATA_DIR = "DATA_DIR"
_HIGHEST_PORT = 65535


class BadVariable(Exception):
    """A variable whose value cannot be used; the text names it and says what was expected."""


class Variables:
    """Reads variables; one that is empty counts as one that is not there."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str, default: str = "") -> str:
        return self._environment.get(name) or default

    def url(self, name: str, default: str = "") -> str:
        """An http or https URL, or the default."""
        value = self.text(name, default)
        if value and not _is_http_url(value):
            raise BadVariable(f"{name}: expected an http or https URL, found {value!r}")
        return value

    def public_key(self, name: str) -> str:
        """The key of a DSN. It is not told in the error: what stands there may be a secret."""
        value = self.text(name)
        if not (value.isascii() and all(sign.isalnum() or sign in "-_." for sign in value)):
            raise BadVariable(
                f"{name}: expected what stands before the @ of a DSN, "
                f"found {len(value)} characters of which some cannot be in a key"
            )
        return value

    def port(self, usual: int) -> int:
        """Where to listen instead of ``usual``; 0 is any free port."""
        name = port_variable(usual)
        value = self.text(name, str(usual))
        if not (value.isascii() and value.isdigit()) or int(value) > _HIGHEST_PORT:
            raise BadVariable(f"{name}: expected a port from 0 to {_HIGHEST_PORT}, found {value!r}")
        return int(value)

    def bind(self) -> str:
        return self.text(BIND, "0.0.0.0")  # noqa: S104 - the container's own network is the fence

    def data_dir(self) -> Path:
        """The folder of the journal; made if it is not there yet."""
        folder = Path(self.text(DATA_DIR, "/data"))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / ".writable").touch()
            (folder / ".writable").unlink()
        except OSError as error:
            raise BadVariable(
                f"{DATA_DIR}: expected a folder that can be written, "
                f"found {str(folder)!r} ({error.strerror})"
            ) from error
        return folder

    def settings(self) -> dict[str, Any]:
        """The object in ``OBSSTACK_SETTINGS``."""
        value = self.text(SETTINGS, "{}")
        try:
            given = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise BadVariable(f"{SETTINGS}: expected a JSON object, found {error}") from error
        if not isinstance(given, dict):
            raise BadVariable(f"{SETTINGS}: expected a JSON object, found {type(given).__name__}")
        return given


def _is_http_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
