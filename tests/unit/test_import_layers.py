"""Imports inside the package point one way, from the top layer of this list to the bottom.

Every import counts: at the top of a module, inside a function, under TYPE_CHECKING, by a string
("pytest_obsstack.fixtures" in ``pytest_plugins``). One thing is exempt: imports under TYPE_CHECKING
or inside a function in ``pytest_obsstack/__init__.py``, because Python runs that file before any
module of any layer, so it may name public things for type checkers and load them when they are
asked for, but must not load them itself.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = "pytest_obsstack"
SOURCES = Path(__file__).parents[2] / "src" / PACKAGE

LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"plugin", "fixtures", "cli", "run_state"}),
    frozenset({"evidence"}),
    frozenset({"expect"}),
    frozenset({"provision"}),
    frozenset({"clients", "providers", "receiver"}),
    frozenset({"record", "waiting", "endpoints", "options"}),
    frozenset({"wire", "errors"}),
)
"""Top-level modules and folders; one may import what stands below it, and its own neighbours."""

STRANGERS = frozenset({"clients", "providers"})
"""Neighbours that may not import each other: a client never knows who started its server."""

EMBEDDED = "embedded"
EMBEDDED_MAY_IMPORT = frozenset({"wire", "errors", EMBEDDED})
EMBEDDED_PRODUCTS = frozenset({"sentry", "collector", "prometheus", "loki", "tempo", "grafana"})
EMBEDDED_HOST = frozenset({"host", "__main__", "container"})
"""The modules that put products together, all in one process or one alone."""
EMBEDDED_STARTER = f"{PACKAGE}.providers.embedded"
"""The one module that knows how to start the embedded process."""


@dataclass(frozen=True)
class Module:
    """One source file; ``name`` is dotted and ends in ``__init__`` for a package's own file."""

    name: str
    source: str

    @property
    def part(self) -> str:
        """The top-level module or folder that it belongs to."""
        return self.name.split(".")[1]


@dataclass(frozen=True)
class Import:
    """One import; ``target`` is the dotted name of a module, or of something inside it."""

    importer: str
    line: int
    target: str
    lazy: bool
    """Inside a function or under TYPE_CHECKING: not done by importing the importer."""

    @property
    def part(self) -> str:
        """The target's top-level module or folder; empty for the package itself."""
        return self.target.split(".")[1] if "." in self.target else ""

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.target}"


def modules_under(folder: Path) -> list[Module]:
    return [
        Module(
            ".".join((PACKAGE, *path.relative_to(folder).with_suffix("").parts)), path.read_text()
        )
        for path in sorted(folder.rglob("*.py"))
    ]


def imports_of(module: Module) -> Iterator[Import]:
    tree = ast.parse(module.source)
    prose = docstrings(tree)
    deferred = {child for node in ast.walk(tree) if is_deferred(node) for child in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.Constant)) and node not in prose:
            for target in targets_of(node, module.name):
                if target.split(".")[0] == PACKAGE:
                    yield Import(module.name, node.lineno, target, node in deferred)


def docstrings(tree: ast.AST) -> set[ast.AST]:
    """The strings that stand as statements: they tell about a module, they do not load it."""
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def is_deferred(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.unparse(node.test)
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))


def targets_of(node: ast.Import | ast.ImportFrom | ast.Constant, importer: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            # One dot is the importer's own package, which for __init__ is also one name up.
            base = ".".join([*importer.split(".")[: -node.level], *filter(None, [node.module])])
        return [f"{base}.{alias.name}" for alias in node.names]
    named = re.fullmatch(rf"({PACKAGE}(?:\.\w+)+)(?::\w+)?", str(node.value))
    return [named[1]] if named else []


def layer_of(part: str) -> int | None:
    return next((depth for depth, parts in enumerate(LAYERS) if part in parts), None)


def violations(modules: Iterable[Module]) -> list[str]:
    """What breaks the layers, one line each."""
    modules = list(modules)
    found = [
        f"{module.name}: no layer; add {module.part!r} to LAYERS in {Path(__file__).name}"
        for module in modules
        if module.part not in {"__init__", EMBEDDED} and layer_of(module.part) is None
    ]
    imports = [each for module in modules for each in imports_of(module)]
    found += [f"{each}: {why}" for each in imports if (why := fault_of(each)) is not None]
    return found + cycles(imports)


def fault_of(each: Import) -> str | None:
    importer = each.importer.split(".")[1]
    if importer == "__init__":
        return None if each.lazy else "the package itself loads nothing of its own"
    if each.target == PACKAGE or (layer_of(each.part) is None and each.part != EMBEDDED):
        return "import from the module that defines it, one that has a layer"
    if importer == EMBEDDED:
        return fault_inside_embedded(each)
    if each.part == EMBEDDED:
        if each.importer == EMBEDDED_STARTER and each.target == f"{PACKAGE}.{EMBEDDED}":
            return None
        return f"only {EMBEDDED_STARTER} may name it, to start it as a process"
    above, below = layer_of(importer), layer_of(each.part)
    if above is None or below is None or importer == each.part:
        return None
    if below < above:
        return f"{each.part} is of a higher layer than {importer}"
    if {importer, each.part} == STRANGERS:
        return "clients and providers never import each other"
    return None


def fault_inside_embedded(each: Import) -> str | None:
    if each.part not in EMBEDDED_MAY_IMPORT:
        return f"the embedded servers import only {', '.join(sorted(EMBEDDED_MAY_IMPORT))}"
    importer = each.importer.split(".")[2]
    target = (
        each.target.split(".")[2] if each.part == EMBEDDED and each.target.count(".") > 1 else ""
    )
    if target in EMBEDDED_PRODUCTS and importer not in EMBEDDED_HOST | {target}:
        return f"only {' and '.join(sorted(EMBEDDED_HOST))} may import the product {target}"
    return None


def cycles(imports: Iterable[Import]) -> list[str]:
    """Neighbours of one layer that import each other in a circle."""
    graph: dict[str, set[str]] = {}
    for each in imports:
        importer = each.importer.split(".")[1]
        if each.part and importer not in (each.part, "__init__"):
            graph.setdefault(importer, set()).add(each.part)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [f"imports in a circle: {' → '.join(reversed(error.args[1]))}"]
    return []


def test_every_import_of_the_package_points_downwards() -> None:
    assert "\n".join(violations(modules_under(SOURCES))) == ""


def test_the_package_is_really_read() -> None:
    seen = {each.target for module in modules_under(SOURCES) for each in imports_of(module)}
    assert f"{PACKAGE}.errors.StackUnavailable" in seen


def faults(sources: Mapping[str, str]) -> list[str]:
    return violations(Module(f"{PACKAGE}.{name}", source) for name, source in sources.items())


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("wire.dsn", "from pytest_obsstack.clients import sentry", "clients is of a higher layer"),
        ("wire.dsn", "from ..clients import sentry", "clients is of a higher layer than wire"),
        ("waiting", "import pytest_obsstack.expect.probe", "expect is of a higher layer"),
        ("waiting", "def f():\n  from pytest_obsstack import expect", "higher layer than waiting"),
        (
            "options",
            "if TYPE_CHECKING:\n  from pytest_obsstack.cli import main",
            "cli is of a higher layer",
        ),
        ("expect.probe", "import pytest_obsstack.plugin", "plugin is of a higher layer"),
        ("clients.loki.client", "from ...providers import state", "never import each other"),
        ("providers.app", "import pytest_obsstack.clients.sentry", "never import each other"),
        ("cli", "from pytest_obsstack.embedded.host import main", "only pytest_obsstack.providers"),
        ("cli", "command = ['-m', 'pytest_obsstack.embedded']", "only pytest_obsstack.providers"),
        (
            "providers.embedded",
            "import pytest_obsstack.embedded.host",
            "only pytest_obsstack.provi",
        ),
        ("errors", "load('pytest_obsstack.clients.sentry:SentryClient')", "clients is of a higher"),
        (
            "embedded.host",
            "from pytest_obsstack.endpoints import Endpoints",
            "import only embedded",
        ),
        (
            "embedded.loki.server",
            "from pytest_obsstack.embedded.sentry import store",
            "the product",
        ),
        (
            "embedded.loki.server",
            "from ..sentry.store import Store",
            "may import the product sentry",
        ),
        (
            "embedded.body",
            "from pytest_obsstack.embedded import loki",
            "may import the product loki",
        ),
        ("record.trail", "from pytest_obsstack import __version__", "module that defines it"),
        ("record.trail", "import pytest_obsstack", "module that defines it"),
        (
            "__init__",
            "from pytest_obsstack.errors import ObsstackError",
            "loads nothing of its own",
        ),
        ("surprise", "", "no layer; add 'surprise' to LAYERS"),
    ],
)
def test_an_import_that_points_upwards_is_named(module: str, source: str, complaint: str) -> None:
    (fault,) = faults({module: source})
    assert fault.startswith(f"{PACKAGE}.{module}")
    assert complaint in fault


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("cli", "from pytest_obsstack.providers.embedded import start"),
        ("expect.probe", "from pytest_obsstack.expect import fence"),
        ("clients.loki.__init__", "from .client import LokiClient"),
        ("clients.loki.client", "from ..fields import Raw"),
        ("providers.embedded", "command = ['-m', 'pytest_obsstack.embedded']"),
        ("providers.app", '"""Unlike\npytest_obsstack.embedded, …"""'),
        ("providers.app", '"pytest_obsstack.embedded"'),
        ("embedded.host", "from pytest_obsstack.embedded.loki.server import LokiServer"),
        ("embedded.loki.server", "from pytest_obsstack.embedded.loki import store"),
        ("embedded.loki.server", "from pytest_obsstack.embedded.body import read_body"),
        ("embedded.loki.server", "from pytest_obsstack.wire import otlp"),
        ("plugin", "pytest_plugins = ['pytest_obsstack.fixtures']"),
        ("__init__", "def __getattr__(name):\n  from pytest_obsstack.expect import probe"),
        ("record.trail", "import httpx, pytest_obsstack_other.cli"),
    ],
)
def test_an_import_that_points_downwards_is_let_through(module: str, source: str) -> None:
    assert faults({module: source}) == []


def test_neighbours_that_import_each_other_are_named() -> None:
    (fault,) = faults(
        {"waiting": "import pytest_obsstack.options", "options": "import pytest_obsstack.waiting"}
    )
    assert fault.startswith("imports in a circle: ")
    assert "waiting → options" in fault
