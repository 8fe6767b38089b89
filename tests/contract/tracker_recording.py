"""A tracker's answers as they were recorded, given again to the same requests.

``OBSSTACK_RECORD_TRACKER=glitchtip`` (or ``bugsink``) makes the contract's run against a live one
write ``recorded/<name>.json`` anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.contract.tracker_facts import Facts

FOLDER = Path(__file__).parent / "recorded"

_KEPT_HEADERS = ("content-type", "link")
_DROPPED_FIELDS = frozenset(
    {
        # Long lists of what was installed where it was recorded.
        *("packages", "modules", "sys.argv"),
        # What is not asked: an event as text, graphs, and the tracker's description of its API.
        *("stacktrace_md", "stats", "avatar", "paths", "components"),
    }
)
_PATH = re.compile(r"/[^\"\s]*?/(?=tests/contract/)")
_TOKEN = re.compile(r"\b[0-9a-f]{40}\b|\b[0-9a-f]{64}\b")


@dataclass(frozen=True)
class Recording:
    """What one version of one tracker answered in one run of the contract."""

    version: str
    url: str
    organization: str
    project: str
    facts: Facts
    answers: Mapping[str, Any]
    """By ``METHOD /path?query``: status, headers, body."""

    @classmethod
    def load(cls, name: str) -> Recording:
        data = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
        return cls(**{**data, "facts": Facts(**data["facts"])})

    def transport(self) -> httpx.MockTransport:
        """Answers as recorded; a request that was not made then fails the test by name."""

        def answer(request: httpx.Request) -> httpx.Response:
            key = request_line(request)
            assert key in self.answers, f"not recorded: {key}; record anew"
            found = self.answers[key]
            return httpx.Response(
                found["status"], headers=found["headers"], text=json.dumps(found["body"])
            )

        return httpx.MockTransport(answer)


class Recorder(httpx.BaseTransport):
    """Passes requests on and keeps the last answer to each."""

    def __init__(self) -> None:
        self._network = httpx.HTTPTransport()
        self.answers: dict[str, Any] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._network.handle_request(request)
        response.read()
        try:
            body = response.json()
        except ValueError:
            body = response.text
        kept = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
        answer = {"status": response.status_code, "headers": kept, "body": body}
        self.answers[request_line(request)] = answer
        return response

    def close(self) -> None:
        self._network.close()

    def save(self, name: str, recording: Recording) -> Path:
        """Write what was recorded, without what belongs to the machine and without secrets."""
        data = {**vars(recording), "facts": recording.facts.to_json()}
        data["answers"] = dict(sorted(self.answers.items()))
        text = json.dumps(_trimmed(data), indent=1, ensure_ascii=False)
        text = _TOKEN.sub(lambda match: "0" * len(match[0]), _PATH.sub("/srv/", text))
        path = FOLDER / f"{name}.json"
        path.write_text(text + "\n", "utf-8")
        return path


def request_line(request: httpx.Request) -> str:
    return f"{request.method} {request.url.raw_path.decode()}"


def _trimmed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _trimmed(item) for key, item in value.items() if key not in _DROPPED_FIELDS}
    return [_trimmed(item) for item in value] if isinstance(value, list) else value
