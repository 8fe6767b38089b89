from __future__ import annotations

from dataclasses import replace

import pytest

from tests.compose.local_images.hashing import SourceFile
from tests.compose.local_images.recipes import (
    DEFAULT,
    IMAGES,
    ON_DEMAND,
    Recipe,
    Recipes,
    all_recipes,
)


@pytest.fixture(scope="module")
def recipes() -> Recipes:
    return all_recipes("amd64")


def test_each_image_that_can_be_asked_for_has_a_recipe(recipes: Recipes) -> None:
    assert {*DEFAULT, *ON_DEMAND} <= set(recipes.by_name)


def test_each_recipe_is_a_build_that_starts_from_its_parent(recipes: Recipes) -> None:
    for recipe in recipes.by_name.values():
        if recipe.parent is not None:
            dockerfile = recipe.files["Dockerfile"].content.decode()
            assert "FROM ${BASE_IMAGE}" in dockerfile, recipe.name


def test_no_folder_of_an_image_is_forgotten(recipes: Recipes) -> None:
    contexts = {recipe.files.get("Dockerfile") for recipe in recipes.by_name.values()}
    for folder in IMAGES.iterdir():
        content = SourceFile((folder / "Dockerfile").read_bytes())
        assert content in contexts, folder.name


def test_parents_come_before_their_images_and_once(recipes: Recipes) -> None:
    names = [recipe.name for recipe in recipes.with_parents(["glitchtip", "loki", "app"])]
    assert names == ["base", "python", "embedded", "glitchtip", "loki", "app"]


def test_the_tag_is_of_all_that_the_image_is_made_of() -> None:
    parent = Recipe("base", None, {}, prepared_from=("bookworm",))
    recipe = Recipe("x", parent, {"Dockerfile": SourceFile(b"FROM")}, arguments={"A": "1"})
    variants = [
        recipe,
        replace(recipe, name="y"),
        replace(recipe, files={"Dockerfile": SourceFile(b"from")}),
        replace(recipe, arguments={"A": "2"}),
        replace(recipe, prepared_from=("1",)),
        replace(recipe, parent=replace(parent, prepared_from=("trixie",))),
    ]
    assert len({variant.tag for variant in variants}) == len(variants)
    assert replace(recipe).tag == recipe.tag
    assert recipe.tag.startswith("obsstack-local/x:")


def test_another_architecture_has_other_images() -> None:
    here, there = all_recipes("amd64").by_name, all_recipes("arm64").by_name
    assert all(here[name].tag != there[name].tag for name in here)


def test_our_sources_are_in_the_last_layers_alone(recipes: Recipes) -> None:
    """So a change of them builds neither Debian nor the dependencies again."""
    below = {"base", "python", "postgres", "redis", "prometheus", "bugsink"}
    for recipe in recipes.by_name.values():
        ours = any(name.endswith(".py") for name in recipe.files)
        assert ours == (recipe.name in {"embedded", "app", "glitchtip"}), recipe.name
        if recipe.name in below:
            assert "embedded" not in [r.name for r in recipes.with_parents([recipe.name])]


def test_stand_ins_are_labelled_with_the_product_that_they_stand_in_for(recipes: Recipes) -> None:
    for name in ("otel-collector", "loki", "tempo", "grafana"):
        recipe = recipes.by_name[name]
        assert recipe.arguments["STANDS_IN_FOR"] == name
        dockerfile = recipe.files["Dockerfile"].content.decode()
        assert "io.pytest-obsstack.stands-in-for=${STANDS_IN_FOR}" in dockerfile
        assert "flavour" not in dockerfile
    glitchtip = recipes.by_name["glitchtip"].files["Dockerfile"].content.decode()
    assert "io.pytest-obsstack.stands-in-for=glitchtip" in glitchtip
    assert "io.pytest-obsstack.flavour=embedded" in glitchtip
    lite = recipes.by_name["lite"].files["Dockerfile"].content.decode()
    assert "io.pytest-obsstack.flavour=embedded" in lite
    assert "stands-in-for" not in lite
