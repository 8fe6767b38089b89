"""Compose for one project: which files, which variables, and how it is called.

Questions go through pytest-docker's executor; what changes containers or takes long runs guarded,
because that executor kills an interrupted call, and containers would come up behind it. Around
both: the project's variables come from files that this run has written, and those of the caller's
own environment that the stack's files would read (a ``SENTRY_DSN`` of the developer's, say) are
taken out, because Compose lets the environment win over files.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_obsstack.errors import StackUnavailable
from pytest_obsstack.providers.compose.guarded import call_guarded
from pytest_obsstack.providers.compose.removal import down_command, remove

FOREIGN = (
    *("SENTRY_DSN", "SENTRY_PUBLIC_URL", "SENTRY_ADMIN_EMAIL", "SENTRY_ADMIN_PASSWORD"),
    *("SENTRY_API_TOKEN", "SENTRY_SECRET_KEY", "SENTRY_PUBLIC_KEY", "SENTRY_OTLP_TRACES_ENDPOINT"),
    *("SENTRY_PORT", "APP_PORT", "GRAFANA_PORT", "PROMETHEUS_PORT", "LOKI_PORT", "TEMPO_PORT"),
    *("OTLP_PORT", "COLLECTOR_METRICS_PORT", "COLLECTOR_HEALTH_PORT"),
    *("POSTGRES_PASSWORD", "GRAFANA_ADMIN_PASSWORD"),
    *("OBSSTACK_RUN", "OBSSTACK_OWNER", "OBSSTACK_KEPT", "OBSSTACK_DSN_ENV"),
    *("OBSSTACK_FOLDER", "OBSSTACK_ALERTMANAGERS"),
    *("COLLECTOR_TRACES_CONFIG", "OBSSTACK_CPUS"),
    *("COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES", "COMPOSE_ENV_FILES"),
)
"""Variables that only the run's own files may set. Images may be chosen by the environment."""

_LINES_TOLD = 50
# Not the bare word at the end of a line of progress: "Container x  Error".
_TELLING = re.compile(r"(?i)(error|failed|denied|cannot|not found|no such|unable)\b.")
_ONE_OFF = "com.docker.compose.oneoff"
_QUICK_TIMEOUT_S = 60.0


class ComposeFailed(StackUnavailable):
    """A call that ended with another status than 0; ``output`` is what it printed.

    Most callers know better what it means; where one does not, the text says what it can.
    """

    def __init__(self, arguments: Sequence[str], output: str) -> None:
        call = " ".join(("compose", *arguments))
        super().__init__(
            f"`{call}` failed.",
            expected="it succeeds",
            found=reason(output),
            advice="see whether the engine answers (`docker version`), then try again",
            log_lines=output.strip("\n").splitlines()[-_LINES_TOLD:],
        )
        self.arguments = tuple(arguments)
        self.output = output

    @property
    def last_lines(self) -> list[str]:
        return list(self.log_lines)


def reason(output: str) -> str:
    """The line of an output that tells best what went wrong: the last that speaks of an error."""
    lines = [line.strip() for line in output.strip().splitlines()]
    telling = [line for line in lines if _TELLING.search(line)]
    return (telling or lines or ["it ended without a word"])[-1]


@dataclass(frozen=True)
class Compose:
    """One Compose project. Frozen and made of texts, so that it survives in a state file."""

    words: tuple[str, ...]
    """How Compose is called: ``docker compose``."""
    client: str
    """``docker`` or ``podman``."""
    project: str
    files: tuple[str, ...]
    env_files: tuple[str, ...]
    profiles: tuple[str, ...]
    folder: str
    """Where this run writes files."""
    directory: str
    """From which relative paths in the files count."""

    def with_file(self, path: Path) -> Compose:
        """The same project with one more file laid over the others."""
        if str(path) in self.files:
            return self
        return replace(self, files=(*self.files, str(path)))

    def with_variables(self, path: Path) -> Compose:
        """The same project with one more file of variables, which win over the others'."""
        return replace(self, env_files=(*self.env_files, str(path)))

    def run(
        self,
        *arguments: str,
        tell: Callable[[str], None] | None = None,
        timeout_s: float | None = None,
    ) -> str:
        """Output of ``compose ARGUMENTS``, which may change containers; raises ``ComposeFailed``.

        ``tell`` is told each line as it comes. Interrupted, or after ``timeout_s``, it is ended
        before this returns.
        """
        status, output = call_guarded(
            [*self._words(), *self._options(), *arguments],
            env=clean_environment(),
            lock=self.lock,
            tell=tell,
            timeout_s=timeout_s,
        )
        if status != 0:
            raise ComposeFailed(arguments, output)
        return output

    def ask(self, *arguments: str) -> str:
        """Standard output of ``compose ARGUMENTS``, which only tells; raises ``ComposeFailed``."""
        return self._executed(arguments, self.files, self._words())

    def containers(self) -> list[dict[str, Any]]:
        """The services' containers, ended ones too, as ``compose ps`` describes them.

        Copies, made by ``compose run``, are not among them.
        """
        return [each for each in self.all_containers() if labels_of(each).get(_ONE_OFF) != "True"]

    def all_containers(self) -> list[dict[str, Any]]:
        """All containers of the project. They are known by labels: no file has to be there."""
        words = [*self.words, "--ansi", "never"]
        output = self._executed(("ps", "--all", "--format", "json"), (), words)
        # One object a line since Compose 2.21, one list before.
        found = [json.loads(line) for line in output.splitlines() if line.startswith(("{", "["))]
        return [part for each in found for part in (each if isinstance(each, list) else [each])]

    def engine(self, *arguments: str, timeout_s: float = _QUICK_TIMEOUT_S) -> tuple[int, str]:
        """Exit status and whole output of the engine's own command: ``docker ARGUMENTS``."""
        try:
            done = subprocess.run(
                [self.client, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return 124, f"no answer within {timeout_s:g} s"
        return done.returncode, done.stdout

    @property
    def lock(self) -> Path:
        """Shared by the calls that change the project, had alone by the reaper."""
        return Path(self.folder) / "compose.lock"

    def down_command(self) -> list[str]:
        """What removes the project, for people to type."""
        return down_command(self.words, self.project)

    def down(self) -> None:
        """Remove containers, networks and volumes; raises ``ComposeFailed``."""
        status, output = remove(self.words, self.client, self.project, clean_environment())
        if status != 0:
            raise ComposeFailed(self.down_command()[len(self.words) :], output)

    def _executed(
        self, arguments: Sequence[str], files: Sequence[str], words: Sequence[str]
    ) -> str:
        try:
            from pytest_docker.plugin import DockerComposeExecutor
        except ImportError as error:
            raise StackUnavailable(
                "The stack of containers cannot be started: pytest-docker is not installed.",
                expected="the extra `compose`",
                found=str(error),
                advice="pip install 'pytest-obsstack[compose]'",
            ) from error
        cleaned = [word for name in FOREIGN for word in ("-u", name)]
        prefix = shlex.join(["env", *cleaned, *words])
        executor = DockerComposeExecutor(prefix, list(files), self.project)
        call = shlex.join(arguments)
        try:
            output = executor.execute(call, ignore_stderr=True)
        except Exception as error:
            # pytest-docker raises Exception itself.
            if type(error) is not Exception:
                raise
            raise ComposeFailed(arguments, _complaint(executor, call)) from None
        text: str = output.decode("utf-8", "replace")
        return text

    def _words(self) -> list[str]:
        """``docker compose --env-file …``, with the profiles."""
        env_files = [word for path in self.env_files for word in ("--env-file", path)]
        profiles = [word for name in self.profiles for word in ("--profile", name)]
        directory = ("--project-directory", self.directory)
        return [*self.words, "--ansi", "never", *directory, *env_files, *profiles]

    def _options(self) -> list[str]:
        files = [word for path in self.files for word in ("-f", path)]
        return [*files, "-p", self.project]


def clean_environment() -> dict[str, str]:
    """The caller's environment without what only the run's own files may set."""
    return {name: value for name, value in os.environ.items() if name not in FOREIGN}


def _complaint(executor: Any, call: str) -> str:
    """What a call that failed has to say: asked again, for its answer is read without errors."""
    try:
        executor.execute(call)
    except Exception as error:
        if type(error) is not Exception:
            raise
        # The output stands between three quotes.
        return str(error).partition('"""')[2].rpartition('"""')[0]
    return "asked again, it succeeded"


def labels_of(container: Mapping[str, Any]) -> Mapping[str, str]:
    """The labels of a container that ``compose ps`` describes: one text, or a mapping."""
    labels: str | Mapping[str, str] = container.get("Labels") or {}
    if isinstance(labels, str):
        return dict(pair.partition("=")[::2] for pair in labels.split(","))
    return labels
