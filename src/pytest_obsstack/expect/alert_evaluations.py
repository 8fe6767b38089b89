"""Whether an alert's rule has been evaluated since now, and all rules before it on which it hangs.

A rule may ask for a series that another rule records. It sees this test's samples only in an
evaluation after that one's, which may be in a group of its own that is evaluated less often.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from pytest_obsstack.expect.alert_rules import prometheus_rules
from pytest_obsstack.expect.settled import Settled
from pytest_obsstack.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pytest_obsstack.clients.prometheus.rules import Rule
    from pytest_obsstack.expect.context import Context

_Group = tuple[str, str]
"""File and name of a group of rules."""


def evaluated_twice(context: Context, name: str) -> tuple[Settled, Sequence[Rule]]:
    """Each rule of that name has begun two evaluations since now; no clock is compared.

    One where an evaluation can be asked for. Else the first may have begun before now and end after
    it, and the second begins after the first ended. Before that, in turn, the rules have whose
    recorded series it asks for.
    """
    polls, waited_s = 0, 0.0
    for groups in groups_in_turn(context.clients.prometheus.rules(), name):
        if context.stack.steerable:
            context.stack.evaluate()
            continue
        settled = _groups_evaluated(context, name, groups)
        polls, waited_s = polls + settled.polls, waited_s + settled.waited_s
        if not settled.proven:
            return settled, ()
    return Settled(None, max(polls, 1), waited_s), prometheus_rules(context, name)


def _groups_evaluated(context: Context, name: str, groups: frozenset[_Group]) -> Settled:
    # Of each rule by itself: the rules of a group are evaluated one after the other.
    seen: dict[tuple[_Group, int], set[datetime | None]] = {}

    def those() -> list[Rule]:
        return [rule for rule in context.clients.prometheus.rules() if _group(rule) in groups]

    def poll() -> bool | None:
        for index, rule in enumerate(those()):
            seen.setdefault((_group(rule), index), set()).add(rule.last_evaluation)
        return True if seen and all(len(times) >= 3 for times in seen.values()) else None

    # Two intervals and a margin are waited for in any case: a rule of a minute needs that long.
    longest_s = max((rule.interval_s for rule in those()), default=0.0)
    waited = until(poll, timeout_s=max(context.timeout_s, 3 * longest_s))
    if waited.value:
        return Settled(None, waited.polls, waited.waited_s)
    reason = f"Prometheus has not evaluated the rule {name} twice since all samples are there"
    advice = f"its group is evaluated every {longest_s:g} s: look whether Prometheus is busy"
    return Settled(reason, waited.polls, waited.waited_s, advice)


def groups_in_turn(rules: Sequence[Rule], name: str) -> list[frozenset[_Group]]:
    """The groups that have to be evaluated, one set after the other, for an alert to see it all.

    The last is that of the alert's rules. A rule that comes before them in their own group is
    evaluated with them.
    """
    layers = [[rule for rule in rules if rule.type == "alerting" and rule.name == name]]
    seen: set[str] = set()
    while layers[-1]:
        asked = " ".join(rule.query for rule in layers[-1])
        layers.append(
            [
                rule
                for rule in rules
                if rule.type == "recording" and rule.name not in seen and _asks(asked, rule.name)
            ]
        )
        seen |= {rule.name for rule in layers[-1]}
    place = {id(rule): index for index, rule in enumerate(rules)}
    turns: list[frozenset[_Group]] = []
    for later, layer in pairwise(layers):
        first = min((place[id(rule)] for rule in later), default=0)
        groups = frozenset(map(_group, layer))
        evaluated_with = len(groups) == 1 and groups == frozenset(map(_group, later))
        if groups and not (evaluated_with and all(place[id(rule)] < first for rule in layer)):
            turns.append(groups)
    return [*reversed(turns), frozenset(map(_group, layers[0]))]


def _asks(query: str, name: str) -> bool:
    return re.search(rf"(?<![\w:]){re.escape(name)}(?![\w:])", query) is not None


def _group(rule: Rule) -> _Group:
    return rule.file, rule.group
