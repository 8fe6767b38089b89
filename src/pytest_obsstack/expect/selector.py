"""A PromQL selector, narrowed to the app instance that this process drives."""

from __future__ import annotations

import re

from pytest_obsstack.errors import ObsstackError

# A metric name, a matcher list in braces, or both (PromQL, "Instant vector selectors").
_QUOTED = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)"""
_SELECTOR = re.compile(
    rf"""\s*(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)?\s*
        (?:\{{(?P<matchers>(?:[^{{}}"'`]|{_QUOTED})*)\}})?\s*""",
    re.VERBOSE,
)
_LABEL = re.compile(r"[{,]\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(?:=~|!~|!=|=)")
_INSTANCE = re.compile(r"(?:^|,)\s*(?:instance|service_instance_id)\s*(?:=|!)")


def own_selector(selector: str, instance: str, *, processes: int = 1) -> str:
    """``selector`` with a matcher for ``instance``, unless it names an instance itself.

    With several ``processes`` for all instances that begin with it.

    Raises ``ObsstackError`` for anything but a plain selector: the increase of an expression is not
    defined here.
    """
    __tracebackhide__ = True
    match = _SELECTOR.fullmatch(selector)
    if match is None or (not match["name"] and not match["matchers"]):
        raise ObsstackError(
            f"Not a selector: {selector}",
            expected='a metric name with label matchers, as in http_requests_total{endpoint="/"}',
            found="something else",
            advice="use expect_metric(promql, …) for expressions",
        )
    matchers = (match["matchers"] or "").strip().rstrip(",")
    # A label's value may well contain a text that looks like another matcher.
    if not instance or _INSTANCE.search(re.sub(_QUOTED, "", matchers)):
        return selector.strip()
    own = instance_matcher(instance, processes)
    return f"{match['name'] or ''}{{{matchers + ',' if matchers else ''}{own}}}"


def instance_matcher(instance: str, processes: int) -> str:
    """The matcher of an app instance, or of all that its processes have made of it."""
    if processes > 1:
        # Each process appends its own mark, its process id for instance. What is special in a
        # regular expression is escaped for that, and the backslash once more for the string.
        pattern = re.sub(r"[^\w-]", r"\\\\\g<0>", instance)
        return f'instance=~"{pattern}(-.+)?"'
    escaped = instance.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'instance="{escaped}"'


def with_suffix(selector: str, suffix: str) -> str:
    """``selector`` of ``name`` + ``suffix``, as the parts of a histogram are called."""
    __tracebackhide__ = True
    match = _SELECTOR.fullmatch(selector)
    if match is None or not match["name"]:
        raise ObsstackError(
            f"Not the name of a histogram: {selector}",
            expected='a metric name, perhaps with label matchers: duration_seconds{endpoint="/"}',
            found="something else",
        )
    rest = selector.strip()[len(match["name"]) :]
    return f"{match['name']}{suffix}{rest.strip()}"


def name_of(selector: str) -> str | None:
    """The metric name of a selector, where it has one in front of the braces."""
    match = _SELECTOR.fullmatch(selector)
    return match["name"] if match else None


def label_names(promql: str) -> tuple[str, ...]:
    """The labels that an expression matches by, in its order; the text of values is passed over."""
    return tuple(dict.fromkeys(_LABEL.findall(re.sub(_QUOTED, "", promql))))
