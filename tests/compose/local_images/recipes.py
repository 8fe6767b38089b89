"""The local images: what each is made of, and therefore its tag.

An image's folder in ``tests/compose/images`` is its build context; here stand its parent and what
is put beside that folder: sources of the project, or files that a step on this machine prepares.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.compose.local_images import debian, pins
from tests.compose.local_images.hashing import SourceFile, content_hash, read_tree
from tests.compose.local_images.steps import BuildError, Steps
from tests.compose.local_images.wheels import PYTHON, install_wheels

ROOT = Path(__file__).resolve().parents[3]
IMAGES = Path(__file__).resolve().parents[1] / "images"
REPOSITORY = "obsstack-local"

BASE_SUITE = "bookworm"
BASE_PACKAGES = (
    "busybox",  # wget for health checks: an answer costs 5 ms, by Python 100 ms
    "ca-certificates",
    "python3",
    "python3-psycopg2",
    "python3-redis",
)
UNPACKED = {
    # Without the just-in-time compiler and without Perl, which only Debian's own tools need.
    "postgres": (BASE_SUITE, ("postgresql-15", "postgresql-client-15", "libicu72", "libxml2")),
    "redis": (
        BASE_SUITE,
        (
            *("redis-server", "redis-tools", "libatomic1", "libjemalloc2"),
            *("liblua5.1-0", "liblzf1", "lua-bitop", "lua-cjson"),
        ),
    ),
    # The oldest suite with Prometheus 3; its programs need no newer libc than the base's.
    "prometheus": ("forky", ("prometheus", "promtool")),
}
"""Image → suite and packages, with what those need beyond the base."""
PYTHON_ROOTS = (
    # what pytest_obsstack.embedded imports
    *(
        "starlette",
        "uvicorn",
        "h11",
        "opentelemetry-proto",
        "cramjam",
        "orjson",
        "jinja2",
        "pyyaml",
    ),
    # stack/app/requirements.txt
    *("flask", "gunicorn", "httpx", "sentry-sdk", "opentelemetry-sdk"),
    "opentelemetry-exporter-otlp-proto-http",
    "opentelemetry-instrumentation-flask",
    "opentelemetry-instrumentation-httpx",
)

Prepare = Callable[[Path, Steps], None]


@dataclass(frozen=True)
class Recipe:
    """An image as it will be; equal recipes have equal tags."""

    name: str
    parent: Recipe | None
    files: Mapping[str, SourceFile] = field(repr=False)
    prepare: Prepare | None = None
    """Makes files in a folder of this machine, while the parent is being built."""
    prepared_from: tuple[str, ...] = ()
    """All that decides what ``prepare`` makes, the code that does it too."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    """Of the build, beside ``BASE_IMAGE``."""

    @property
    def tag(self) -> str:
        above = "" if self.parent is None else self.parent.tag
        arguments = [f"{name}={value}" for name, value in sorted(self.arguments.items())]
        key = content_hash([self.name, above, *arguments, *self.prepared_from], self.files)
        return f"{REPOSITORY}/{self.name}:{key}"


@dataclass(frozen=True)
class Recipes:
    """All images by name."""

    by_name: Mapping[str, Recipe]

    def with_parents(self, names: Sequence[str]) -> list[Recipe]:
        """The named ones and what they build on, parents first."""
        ordered: dict[str, Recipe] = {}

        def add(recipe: Recipe) -> None:
            if recipe.parent is not None:
                add(recipe.parent)
            ordered[recipe.name] = recipe

        for name in names:
            add(self.by_name[name])
        return list(ordered.values())


@dataclass(frozen=True)
class StandIn:
    """An embedded product in the place of one that Debian lacks."""

    product: str
    """As ``pytest_obsstack.embedded.container`` calls it."""
    program: str
    """Of the product's image, as the stack's Compose file calls it."""
    data: str
    """Where that file mounts the volume of its data."""


STAND_INS = {
    "otel-collector": StandIn("collector", "/otelcol-contrib", "/var/lib/otelcol"),
    "loki": StandIn("loki", "/usr/bin/loki", "/loki"),
    "tempo": StandIn("tempo", "/tempo", "/var/tempo"),
    "grafana": StandIn("grafana", "/run.sh", "/var/lib/grafana"),
}
DEFAULT = ("postgres", "redis", "prometheus", "app", "lite", "glitchtip", *STAND_INS)
ON_DEMAND = ("bugsink",)


def all_recipes(architecture: str) -> Recipes:
    """Every image, of the sources as they are now; ``BuildError`` where one cannot be."""
    base = Recipe(
        "base",
        None,
        {},
        prepare=lambda folder, steps: debian.bootstrap(folder, BASE_SUITE, BASE_PACKAGES, steps),
        prepared_from=(
            BASE_SUITE,
            architecture,
            *BASE_PACKAGES,
            inspect.getsource(debian.bootstrap),
        ),
    )
    python = _python(base, architecture)
    package = read_tree(ROOT / "src" / "pytest_obsstack", under="src/pytest_obsstack")
    embedded = _image("embedded", python, package)
    glitchtip = read_tree(ROOT / "tests" / "compose" / "standins" / "glitchtip", under="standin")
    recipes = [
        base,
        *(
            _unpacked(name, base, architecture, suite, packages)
            for name, (suite, packages) in UNPACKED.items()
        ),
        python,
        # Built as it is, with its own Dockerfile.
        Recipe("app", python, read_tree(ROOT / "stack" / "app")),
        embedded,
        _image("lite", embedded, arguments={"VERSION": project_version()}),
        _bugsink(base, architecture),
        _image("glitchtip", embedded, glitchtip, arguments={"VERSION": project_version()}),
        *(_stand_in(name, stand_in, embedded) for name, stand_in in STAND_INS.items()),
    ]
    return Recipes({recipe.name: recipe for recipe in recipes})


def _image(
    name: str,
    parent: Recipe,
    files: Mapping[str, SourceFile] | None = None,
    *,
    arguments: Mapping[str, str] | None = None,
) -> Recipe:
    context = {**read_tree(IMAGES / name), **(files or {})}
    return Recipe(name, parent, context, arguments=arguments or {})


def _stand_in(name: str, stand_in: StandIn, embedded: Recipe) -> Recipe:
    arguments = {
        "PRODUCT": stand_in.product,
        "PROGRAM": stand_in.program,
        "DATA": stand_in.data,
        "STANDS_IN_FOR": name,
        "VERSION": project_version(),
    }
    return Recipe(name, embedded, read_tree(IMAGES / "standin"), arguments=arguments)


def project_version() -> str:
    """What stands in is of this project's version."""
    match = re.search(r'^version = "([^"]+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    if match is None:
        raise BuildError('expected version = "…" in pyproject.toml, found none')
    return match[1]


def _unpacked(
    name: str, base: Recipe, architecture: str, suite: str, packages: Sequence[str]
) -> Recipe:
    """An image of Debian's packages as they are unpacked: no service is set up, nothing is run."""
    return Recipe(
        name,
        base,
        read_tree(IMAGES / name),
        prepare=lambda folder, steps: debian.unpack_from_suite(suite, packages, folder, steps),
        prepared_from=(suite, architecture, *packages),
    )


def _python(base: Recipe, architecture: str) -> Recipe:
    lock = (ROOT / "requirements" / "dev.txt").read_text()
    chosen = pins.closure(pins.parse_lock(lock), PYTHON_ROOTS, PYTHON)
    requirements = pins.requirements_text(chosen)
    return Recipe(
        "python",
        base,
        read_tree(IMAGES / "python"),
        prepare=lambda folder, steps: install_wheels(
            requirements, folder, architecture, steps, hashed=True
        ),
        prepared_from=(requirements, architecture, inspect.getsource(install_wheels)),
    )


def _bugsink(base: Recipe, architecture: str) -> Recipe:
    context = read_tree(IMAGES / "bugsink")
    requirements = context["requirements.txt"].content.decode()
    return Recipe(
        "bugsink",
        base,
        context,
        # Without hashes: which of a release's wheels is taken depends on the machine.
        prepare=lambda folder, steps: install_wheels(
            requirements, folder, architecture, steps, hashed=False
        ),
        prepared_from=(architecture, inspect.getsource(install_wheels)),
    )
