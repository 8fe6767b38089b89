from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.compose.local_images.overrides import (
    BUGSINK,
    GLITCHTIP,
    LITE,
    RESET,
    WAITED_FOR,
    as_yaml,
    overrides,
    write_overrides,
)
from tests.compose.local_images.recipes import Recipes, all_recipes

STACK = Path(__file__).parents[3] / "stack"
WITHOUT_DATABASE = {"postgres", "redis", "sentry-worker", "sentry-cron"}


class ComposeLoader(yaml.SafeLoader):
    """Compose's own tags, as text."""


def _tagged(loader: ComposeLoader, tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return f"!{tag} {node.value}"


ComposeLoader.add_multi_constructor("!", _tagged)


def load(path: Path) -> dict[str, Any]:
    content = yaml.load(path.read_text(), Loader=ComposeLoader)  # noqa: S506 - a safe loader
    assert isinstance(content, dict)
    return content


@pytest.fixture(scope="module")
def recipes() -> Recipes:
    return all_recipes("amd64")


def test_each_service_of_the_stack_has_a_local_image(recipes: Recipes) -> None:
    services = set(load(STACK / "docker-compose.yml")["services"])
    files = overrides(recipes)
    assert set(files[GLITCHTIP]["services"]) == services
    # Those overrides switch the database's services off.
    assert set(files[LITE]["services"]) | WITHOUT_DATABASE == services
    assert set(files[BUGSINK]["services"]) | WITHOUT_DATABASE == services


def test_every_image_is_one_of_the_recipes_and_no_registry_is_asked(recipes: Recipes) -> None:
    tags = {recipe.tag for recipe in recipes.by_name.values()}
    for content in overrides(recipes).values():
        for name, service in content["services"].items():
            assert service["image"] in tags, name
            assert service["pull_policy"] == "never"


def test_each_tracker_has_its_own_image(recipes: Recipes) -> None:
    files = overrides(recipes)
    images = {
        name: content["services"]["sentry"]["image"].split(":")[0]
        for name, content in files.items()
    }
    assert images == {
        GLITCHTIP: "obsstack-local/glitchtip",
        LITE: "obsstack-local/lite",
        BUGSINK: "obsstack-local/bugsink",
    }


def test_nothing_is_built_from_upstream_s_base(recipes: Recipes) -> None:
    main = load(STACK / "docker-compose.yml")["services"]
    lite = load(STACK / "docker-compose.lite.yml")["services"]
    files = overrides(recipes)
    for name, service in files[GLITCHTIP]["services"].items():
        assert (service.get("build") == RESET) == ("build" in main[name]), name
    assert "build" in lite["sentry"]
    assert files[LITE]["services"]["sentry"]["build"] == RESET


def test_the_stand_in_for_glitchtip_is_told_who_may_log_in(recipes: Recipes) -> None:
    sentry = overrides(recipes)[GLITCHTIP]["services"]["sentry"]
    assert set(sentry["environment"]) == {
        "SENTRY_ADMIN_EMAIL",
        "SENTRY_ADMIN_PASSWORD",
        "SENTRY_API_TOKEN",
        "SENTRY_WEBHOOK_HOSTS",
    }


def test_the_files_are_yaml_in_which_only_the_reset_is_not_json(
    recipes: Recipes, tmp_path: Path
) -> None:
    folder = tmp_path / "new" / "folder"
    written = write_overrides(folder, recipes)
    assert [path.name for path in written] == [GLITCHTIP, LITE, BUGSINK]
    assert load(folder / GLITCHTIP) == overrides(recipes)[GLITCHTIP]
    assert (
        as_yaml({"build": RESET, "image": "x"}) == '{\n  "build": !reset null,\n  "image": "x"\n}\n'
    )


def test_only_what_others_wait_for_is_asked_each_second(recipes: Recipes) -> None:
    main = load(STACK / "docker-compose.yml")["services"]
    waited_for = {
        name
        for service in main.values()
        for name, how in service.get("depends_on", {}).items()
        if how["condition"] == "service_healthy"
    }
    assert waited_for == WAITED_FOR
    services = overrides(recipes)[GLITCHTIP]["services"]
    seldom = {name for name, service in services.items() if "healthcheck" in service}
    assert seldom == set(services) - waited_for - {"otel-collector"}
    # Or a check would be added to a service that has none.
    assert "healthcheck" not in main["otel-collector"]
