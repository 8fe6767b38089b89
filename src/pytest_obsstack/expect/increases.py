"""What a test has added to series: between a clean starting point and a fence.

Counter resets and series that were born during the test are handled.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_obsstack.clients.series import Sample
from pytest_obsstack.errors import CannotTell
from pytest_obsstack.expect.context import Context
from pytest_obsstack.expect.metric_fence import newest_sample_s

_LABELS_HIDDEN = ("__name__", "job", "instance")


@dataclass(frozen=True)
class Counted:
    """One series as this test has changed it."""

    labels: Mapping[str, str]
    before: float
    """Its value before the test's first request; 0 where there was no such series."""
    samples: Sequence[Sample]
    """All since then, oldest first."""

    @property
    def amount(self) -> float:
        """How much it grew."""
        previous, grown = self.before, 0.0
        for sample in self.samples:
            # A counter that went down was reset: it began again at zero.
            grown += sample.value - previous if sample.value >= previous else sample.value
            previous = sample.value
        return grown


@dataclass(frozen=True)
class Increase:
    """How much one series grew between two times."""

    labels: Mapping[str, str]
    amount: float

    def describe(self) -> str:
        shown = ",".join(f'{k}="{v}"' for k, v in self.labels.items() if k not in _LABELS_HIDDEN)
        return f"{self.labels.get('__name__', '')}{{{shown}}} +{self.amount:g}"


def increases(context: Context, selector: str) -> list[Increase]:
    """How much each series of ``selector`` grew by this test's requests.

    Raises ``CannotTell`` where an earlier test's last requests are not in the value from which this
    test counts.
    """
    __tracebackhide__ = True
    return [Increase(series.labels, series.amount) for series in counted(context, selector)]


def counted(context: Context, selector: str) -> list[Counted]:
    """The series of ``selector`` with what they were before and all samples since."""
    __tracebackhide__ = True
    start_s = context.exchanges.first_started_s or context.started_s
    check_baseline(context, start_s)
    client = context.clients.prometheus
    before = {
        _key(series.labels): series.last.value
        for series in client.query(selector, time_s=start_s).series
    }
    now_s = newest_sample_s(context) or start_s
    end_s = max(now_s, context.last_ended_s) + 1.0
    window_s = math.ceil(end_s - start_s) + 1
    result = client.query(f"{selector}[{window_s}s]", time_s=end_s)
    return [
        Counted(
            series.labels,
            before.get(_key(series.labels), 0.0),
            [sample for sample in series.samples if sample.timestamp_s > start_s],
        )
        for series in result.series
    ]


def check_baseline(context: Context, start_s: float) -> None:
    """An earlier test's last requests must be in the value from which this test counts."""
    __tracebackhide__ = True
    earlier_s = context.history.last_ended_s
    if context.shared_app:
        earlier_s = context.baseline_s or start_s
    if not context.exact_metrics or not earlier_s:
        return
    newest_s = newest_sample_s(context, at_s=start_s)
    if newest_s is None or newest_s < earlier_s:
        raise CannotTell(
            "Cannot tell by how much the metric increased: there is no clean starting point.",
            expected="a sample taken after the previous test's last response and before this "
            "test's first request",
            found=f"the newest one is {earlier_s - (newest_s or 0):.2f} s too old"
            if newest_s
            else "no sample at all",
            advice='mark the test with @pytest.mark.obs_requires("metrics"): it then waits for '
            "one before its first request",
        )


def _key(labels: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))
