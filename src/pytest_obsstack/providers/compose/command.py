"""Compose for one project: which files, which variables, and how it is called.

Calls go through pytest-docker's executor. Two things are added around it: the project's variables
come from files that this run has written, and those of the caller's own environment that the
stack's files would read (a ``SENTRY_DSN`` of the developer's, say) are taken out, because Compose
lets the environment win over files.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_obsstack.errors import StackUnavailable

FOREIGN = (
    *("SENTRY_DSN", "SENTRY_PUBLIC_URL", "SENTRY_ADMIN_EMAIL", "SENTRY_ADMIN_PASSWORD"),
    *("SENTRY_API_TOKEN", "SENTRY_SECRET_KEY", "SENTRY_PUBLIC_KEY", "SENTRY_OTLP_TRACES_ENDPOINT"),
    *("SENTRY_PORT", "APP_PORT", "GRAFANA_PORT", "PROMETHEUS_PORT", "LOKI_PORT", "TEMPO_PORT"),
    *("OTLP_PORT", "COLLECTOR_METRICS_PORT", "COLLECTOR_HEALTH_PORT"),
    *("POSTGRES_PASSWORD", "GRAFANA_ADMIN_PASSWORD"),
    *("OBSSTACK_RUN", "OBSSTACK_OWNER", "OBSSTACK_KEPT", "OBSSTACK_DSN_ENV"),
    "COLLECTOR_TRACES_CONFIG",
    *("COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES", "COMPOSE_ENV_FILES"),
)
"""Variables that only the run's own files may set. Images may be chosen by the environment."""

_LINES_TOLD = 50
_QUICK_TIMEOUT_S = 60.0


class ComposeFailed(Exception):
    """A call that ended with another status than 0; ``output`` is what it printed."""

    def __init__(self, arguments: Sequence[str], output: str) -> None:
        super().__init__(f"compose {' '.join(arguments)} failed")
        self.arguments = tuple(arguments)
        self.output = output

    @property
    def last_lines(self) -> list[str]:
        return self.output.strip().splitlines()[-_LINES_TOLD:]


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

    def with_file(self, path: Path) -> Compose:
        """The same project with one more file laid over the others."""
        if str(path) in self.files:
            return self
        return replace(self, files=(*self.files, str(path)))

    def run(self, *arguments: str) -> str:
        """Standard output and errors of ``compose ARGUMENTS``; raises ``ComposeFailed``."""
        return self._execute(arguments, ignore_stderr=False)

    def ask(self, *arguments: str) -> str:
        """Standard output alone, for answers that are parsed."""
        return self._execute(arguments, ignore_stderr=True)

    def containers(self) -> list[dict[str, Any]]:
        """All containers of the project, ended ones too, as ``compose ps`` describes them."""
        output = self.ask("ps", "--all", "--format", "json")
        # One object a line since Compose 2.21, one list before.
        found = [json.loads(line) for line in output.splitlines() if line.startswith(("{", "["))]
        return [part for each in found for part in (each if isinstance(each, list) else [each])]

    def stream(self, *arguments: str, tell: Callable[[str], None]) -> None:
        """Run ``compose ARGUMENTS`` and hand on each line as it comes; raises ``ComposeFailed``."""
        lines: list[str] = []
        with subprocess.Popen(
            ["sh", "-c", f"exec {self._command_line()} {shlex.join(arguments)}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            for line in process.stdout or ():
                if line.strip():
                    lines.append(line.rstrip())
                    tell(lines[-1])
        if process.returncode != 0:
            raise ComposeFailed(arguments, "\n".join(lines))

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

    def down_command(self) -> list[str]:
        """What removes the project, known by its labels alone: no file has to be there any more."""
        return [
            *(*self.words, "--project-name", self.project),
            *("down", "--volumes", "--remove-orphans", "--timeout", "3"),
        ]

    def down(self) -> None:
        """Remove containers, networks and volumes; raises ``ComposeFailed``."""
        command = self.down_command()
        done = subprocess.run(
            command,
            cwd=self.folder if Path(self.folder).is_dir() else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            raise ComposeFailed(command[len(self.words) :], done.stdout)

    def _execute(self, arguments: Sequence[str], *, ignore_stderr: bool) -> str:
        try:
            from pytest_docker.plugin import DockerComposeExecutor
        except ImportError as error:
            raise StackUnavailable(
                "The stack of containers cannot be started: pytest-docker is not installed.",
                expected="the extra `compose`",
                found=str(error),
                advice="pip install 'pytest-obsstack[compose]'",
            ) from error
        executor = DockerComposeExecutor(self._prefix(), list(self.files), self.project)
        try:
            output = executor.execute(shlex.join(arguments), ignore_stderr=ignore_stderr)
        except Exception as error:
            # pytest-docker raises Exception itself, with the output between three quotes.
            if type(error) is not Exception:
                raise
            said = str(error)
            output = said.partition('"""')[2].rpartition('"""')[0]
            raise ComposeFailed(arguments, output or said) from error
        text: str = output.decode("utf-8", "replace")
        return text

    def _prefix(self) -> str:
        """``env -u … docker compose --env-file …``, quoted for a shell."""
        cleaned = [word for name in FOREIGN for word in ("-u", name)]
        env_files = [word for path in self.env_files for word in ("--env-file", path)]
        profiles = [word for name in self.profiles for word in ("--profile", name)]
        return shlex.join(["env", *cleaned, *self.words, "--ansi", "never", *env_files, *profiles])

    def _command_line(self) -> str:
        files = [word for path in self.files for word in ("-f", path)]
        return f"{self._prefix()} {shlex.join([*files, '-p', self.project])}"
