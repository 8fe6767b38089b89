"""Differences between what is expected and what was found."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from pytest_obsstack.expect.matching import (
    ABSENT,
    NOT_GIVEN,
    Candidate,
    FieldDifference,
    describe_value,
    differences,
    given,
    nearest,
)

# Without null (which is the same as absent) and without texts that are numbers (which tags are).
SCALARS = st.integers() | st.booleans() | st.text("xyz é\n", max_size=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


@for_all(VALUES, VALUES)
def test_no_difference_in_either_direction_means_equal_and_only_that(a: Any, b: Any) -> None:
    # A mapping looks only at its own keys, so equality needs both directions.
    assert (not differences(a, b) and not differences(b, a)) == (a == b)


@for_all(VALUES)
def test_a_value_never_differs_from_itself(value: Any) -> None:
    assert differences(value, value) == []


@for_all(st.dictionaries(st.text("abc", min_size=1, max_size=2), SCALARS, max_size=4), st.data())
def test_each_changed_key_is_named_once(mapping: dict[str, Any], data: st.DataObject) -> None:
    changed = data.draw(st.sets(st.sampled_from(sorted(mapping))) if mapping else st.just(set()))
    found = {key: "changed!" if key in changed else value for key, value in mapping.items()}
    assert {difference.path for difference in differences(mapping, found)} == changed


@for_all(st.dictionaries(st.text("abc", min_size=1, max_size=2), SCALARS, max_size=4))
def test_keys_that_nobody_asked_for_are_not_looked_at(mapping: dict[str, Any]) -> None:
    assert differences(mapping, {**mapping, "zzz": 1}) == []


def test_a_nested_field_is_named_by_its_path() -> None:
    expected = {"tags": {"endpoint": "/error", "region": "eu"}, "level": "error"}
    found = {"tags": {"endpoint": "/eror", "region": "eu"}, "level": "error"}
    assert differences(expected, found) == [FieldDifference("tags.endpoint", "/error", "/eror")]


def test_a_missing_key_is_absent() -> None:
    assert differences({"tags": {"a": "1"}}, {"tags": {}}) == [
        FieldDifference("tags.a", "1", ABSENT)
    ]


def test_a_text_where_a_mapping_is_expected_is_one_difference() -> None:
    assert differences({"tags": {"a": "1"}}, {"tags": "a"}) == [
        FieldDifference("tags", {"a": "1"}, "a")
    ]


def test_a_list_is_compared_element_by_element() -> None:
    assert differences({"way": ["a", "b"]}, {"way": ["a", "c"]}) == [
        FieldDifference("way[1]", "b", "c")
    ]


def test_a_list_of_another_length_differs_as_a_whole() -> None:
    assert differences({"way": ["a"]}, {"way": ["a", "b"]}) == [
        FieldDifference("way", ["a"], ["a", "b"])
    ]


def test_a_list_and_a_tuple_are_the_same_sequence() -> None:
    assert differences(["a", "b"], ("a", "b")) == []


def test_a_text_is_no_sequence_of_letters() -> None:
    assert differences(["a", "b"], "ab") == [FieldDifference("", ["a", "b"], "ab")]


@pytest.mark.parametrize("found", [ABSENT, None])
def test_none_means_absent(found: Any) -> None:
    assert differences({"user": None}, {"user": found}) == []
    assert differences({"user": None}, {"user": "ann"}) == [FieldDifference("user", None, "ann")]


@pytest.mark.parametrize("found", [ABSENT, None])
def test_an_ellipsis_means_there_whatever_it_is(found: Any) -> None:
    assert differences({"user": ...}, {"user": ""}) == []
    assert differences({"user": ...}, {"user": found}) == [FieldDifference("user", ..., found)]


def test_a_regular_expression_is_searched_for() -> None:
    pattern = re.compile(r"error \d+")
    assert differences(pattern, "an error 12 came") == []
    assert differences(pattern, "an error came") != []


def test_a_regular_expression_sees_numbers_as_text() -> None:
    assert differences(re.compile("^1[0-9]$"), 12) == []


@pytest.mark.parametrize("expected", [re.compile("None"), lambda value: value > 3])
@pytest.mark.parametrize("found", [ABSENT, None])
def test_what_is_absent_satisfies_no_pattern_and_no_function(expected: Any, found: Any) -> None:
    assert len(differences({"count": expected}, {"count": found})) == 1


def test_a_function_decides() -> None:
    assert differences(lambda count: count > 3, 4) == []
    assert differences(lambda count: count > 3, 3) != []


@pytest.mark.parametrize(
    ("expected", "text"), [(100, "100"), (0.5, "0.5"), (True, "true"), (False, "False")]
)
def test_a_number_equals_the_text_that_a_tag_makes_of_it(expected: Any, text: str) -> None:
    assert differences({"tag": expected}, {"tag": text}) == []


def test_a_text_does_not_equal_a_number() -> None:
    assert differences("100", 100) == [FieldDifference("", "100", 100)]


def test_nearest_is_the_candidate_with_the_fewest_differing_fields() -> None:
    near, far = candidate("near", 1), candidate("far", 2)
    assert nearest([far, near]) == nearest([near, far]) == near


def test_of_equally_near_candidates_the_latest_is_shown() -> None:
    assert nearest([candidate("first", 1), candidate("second", 1)]) == candidate("second", 1)


def test_a_wrong_value_is_nearer_than_a_missing_one() -> None:
    wrong = Candidate("wrong", (FieldDifference("status", 200, 500),))
    missing = Candidate("missing", (FieldDifference("status", 200, ABSENT),))
    assert nearest([missing, wrong]) == nearest([wrong, missing]) == wrong


def test_of_nothing_nothing_is_nearest() -> None:
    assert nearest([]) is None


def test_a_candidate_without_differences_matches() -> None:
    assert candidate("same", 0).matches
    assert not candidate("other", 1).matches


def test_given_keeps_what_was_given_none_included() -> None:
    assert given(type="ValueError", value=NOT_GIVEN, user=None) == {
        "type": "ValueError",
        "user": None,
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("text", "'text'"),
        (3, "3"),
        (None, "(absent)"),
        (..., "(anything)"),
        (re.compile("a+"), "/a+/"),
        ({"a": None, "b": "x"}, "{a: (absent), b: 'x'}"),
        (["a", 1], "['a', 1]"),
        (str.isdigit, "str.isdigit(…)"),
    ],
)
def test_a_value_is_shown_as_messages_need_it(value: Any, shown: str) -> None:
    assert describe_value(value) == shown


def candidate(title: str, count: int) -> Candidate:
    return Candidate(title, tuple(FieldDifference(f"f{i}", 1, 2) for i in range(count)))
