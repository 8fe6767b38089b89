"""Which products a stack was made of: their names, their own versions, and the stand-ins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pytest_obsstack.endpoints import Endpoints, PrometheusEndpoint, SentryEndpoint, TrackerFlavour
from pytest_obsstack.errors import BackendUnavailable
from pytest_obsstack.evidence import products
from pytest_obsstack.evidence.products import what_ran
from pytest_obsstack.evidence.proofs import Product, Ran
from pytest_obsstack.options import Options
from pytest_obsstack.options.kinds import StackKind
from pytest_obsstack.providers.compose.command import Compose, ComposeFailed
from pytest_obsstack.providers.state import ComposeState, ProductState, StackState

URL = "http://127.0.0.1:1"


@dataclass(frozen=True)
class FakeCompose(Compose):
    """Tells of containers that there are not."""

    told: tuple[dict[str, Any], ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    """By program, what it prints."""

    def containers(self) -> list[dict[str, Any]]:
        return list(self.told)

    def ask(self, *arguments: str) -> str:
        program = arguments[3]
        if program not in self.versions:
            raise ComposeFailed(arguments, "no such program")
        return self.versions[program]


def container(service: str, labels: object = "") -> dict[str, Any]:
    return {"Service": service, "Name": f"p-{service}-1", "Labels": labels}


def compose(*told: dict[str, Any], **versions: str) -> FakeCompose:
    names = {name.replace("_", "-"): text for name, text in versions.items()}
    return FakeCompose(("docker",), "docker", "p", (), (), (), "", "", told, names)


def state(
    sentry: ProductState | None = None,
    *,
    kind: StackKind = "compose",
    tracker: str | None = "glitchtip",
    flavour: TrackerFlavour = "glitchtip",
    containers: Compose | None = None,
    **others: ProductState,
) -> StackState:
    running = compose() if containers is None else containers
    return StackState(
        kind=kind,
        run_id="r",
        folder=Path(),
        endpoints=Endpoints(
            sentry=None if sentry is None else SentryEndpoint(URL, flavour=flavour),
            prometheus=PrometheusEndpoint(URL) if "prometheus" in others else None,
        ),
        products={**({} if sentry is None else {"sentry": sentry}), **others},
        ready_after_s=0.0,
        compose=ComposeState(running, tracker, {}, {}, "", "") if kind == "compose" else None,
    )


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str | None], None]:
    """Lets the product of a component tell a version; all others do not answer."""

    def silent(_endpoint: object) -> str:
        raise BackendUnavailable("Nobody answers.")

    asked: dict[str, Callable[[Any], str | None]] = dict.fromkeys(products._QUESTIONS, silent)
    monkeypatch.setattr(products, "_QUESTIONS", asked)

    def tell(component: str, version: str | None) -> None:
        asked[component] = lambda _endpoint: version

    return tell


Answers = Callable[[str, str | None], None]


def test_without_a_stack_nothing_ran() -> None:
    assert what_ran(None, Options(stack="attach")) == Ran("attach", {}, "tempo")


def test_an_embedded_server_is_named_after_what_it_stands_in_for(answers: Answers) -> None:
    answers("sentry", "never asked")
    loki = ProductState(URL, "3.8", "Grafana Loki")
    collector = ProductState(URL, "0.162", "OpenTelemetry Collector")
    ran = what_ran(
        state(
            ProductState(URL, "26.1", "Sentry"),
            kind="embedded",
            flavour="embedded",
            loki=loki,
            collector=collector,
        ),
        Options(),
    )
    assert ran.products == {
        "sentry": Product("Sentry", "26.1", stand_in=True),
        "loki": Product("Grafana Loki", "3.8", stand_in=True),
        "collector": Product("OpenTelemetry Collector", "0.162", stand_in=True),
    }
    assert ran.spans_from == "sentry"


def test_our_own_server_as_an_image_is_a_stand_in_for_sentry_without_a_label(
    answers: Answers,
) -> None:
    answers("sentry", "26.8.0-embedded")
    ran = what_ran(
        state(ProductState(URL, "local"), tracker="lite", flavour="embedded"),
        Options(stack="compose"),
    )
    assert ran.products["sentry"] == Product("Sentry", "26.8.0-embedded", stand_in=True)


def test_a_tracker_is_named_as_it_was_chosen_and_tells_its_version(answers: Answers) -> None:
    answers("sentry", "6.2.6")
    ran = what_ran(state(ProductState(URL, "sha")), Options(stack="compose"))
    assert ran.products["sentry"] == Product("GlitchTip", "6.2.6", stand_in=False)
    assert ran.spans_from == "tempo"
    ran = what_ran(
        state(ProductState(URL, "sha"), tracker=None, flavour="bugsink"), Options(stack="attach")
    )
    assert ran.products["sentry"].name == "Bugsink"


def test_a_label_of_a_stand_in_is_heeded_whatever_was_chosen(answers: Answers) -> None:
    ran = what_ran(
        state(ProductState(URL, "0.1.0", "glitchtip"), flavour="embedded"),
        Options(stack="compose"),
    )
    assert ran.products["sentry"] == Product("GlitchTip", "0.1.0", stand_in=True)


def test_a_products_own_word_goes_before_the_tag_of_its_image(answers: Answers) -> None:
    hashed = ProductState(URL, "34c89d84e93adc04")
    answers("prometheus", "3.5.0")
    ran = what_ran(state(prometheus=hashed), Options(stack="compose"))
    assert ran.products == {"prometheus": Product("Prometheus", "3.5.0", stand_in=False)}
    for silence in (None, ""):
        answers("prometheus", silence)
        ran = what_ran(state(prometheus=hashed), Options(stack="compose"))
        assert ran.products["prometheus"].version == hashed.version


def test_one_that_does_not_answer_keeps_the_tag(answers: Answers) -> None:
    ran = what_ran(state(prometheus=ProductState(URL, "v3.14.0")), Options(stack="compose"))
    assert ran.products["prometheus"].version == "v3.14.0"


def test_services_tell_their_version_by_their_own_program(answers: Answers) -> None:
    running = compose(
        container("postgres"),
        container("redis"),
        container("app"),
        postgres="postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n",
        redis_server="Redis server v=7.0.15 sha=00000000:0\n",
    )
    ran = what_ran(state(containers=running), Options(stack="compose"))
    assert ran.products == {
        "postgres": Product("PostgreSQL", "15.18", stand_in=False),
        "redis": Product("Redis", "7.0.15", stand_in=False),
    }


@pytest.mark.parametrize(
    "labels",
    [
        "x=y,io.pytest-obsstack.stands-in-for=redis,io.pytest-obsstack.version=0.1.0",
        {"io.pytest-obsstack.stands-in-for": "redis", "io.pytest-obsstack.version": "0.1.0"},
    ],
)
def test_a_service_can_be_a_stand_in_too(answers: Answers, labels: object) -> None:
    running = compose(container("redis", labels), redis_server="v=7.0.15")
    ran = what_ran(state(containers=running), Options(stack="compose"))
    assert ran.products == {"redis": Product("Redis", "0.1.0", stand_in=True)}


def test_a_service_that_tells_nothing_is_of_an_unknown_version(answers: Answers) -> None:
    ran = what_ran(state(containers=compose(container("postgres"))), Options(stack="compose"))
    assert ran.products["postgres"].version == "unknown"
