"""Names that a run creates in the error tracker."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Names that the run creates in the error tracker; override the fixture ``obs_settings``."""

    organization: str = "obsstack"
    team: str = "obsstack"
    project: str = "simple-app"
    platform: str = "python-flask"
