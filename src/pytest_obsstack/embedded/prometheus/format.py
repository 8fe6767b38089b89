"""Numbers, strings, times and durations written as Go, and so Prometheus, writes them."""

from __future__ import annotations

import math
import re
from datetime import datetime, timezone

from pytest_obsstack.embedded.go_quote import quote


def _special(value: float) -> str | None:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return None


def plain_float(value: float) -> str:
    """Shortest decimal without an exponent (``FormatFloat(v, 'f', -1, 64)``)."""
    special = _special(value)
    if special is not None:
        return special
    text = repr(value)
    if text.endswith(".0"):
        return text[:-2]
    if "e" not in text:
        return text
    mantissa, _, exponent = text.partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits, point = whole + fraction, len(whole) + int(exponent)
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return f"{sign}{digits}{'0' * (point - len(digits))}"
    return f"{sign}{digits[:point]}.{digits[point:]}"


def sample_value(value: float) -> str:
    """A sample's value in an answer: no exponent, but below 1e-6 and from 1e21 on."""
    magnitude = abs(value)
    if magnitude == 0 or 1e-6 <= magnitude < 1e21 or not math.isfinite(value):
        return plain_float(value)
    return scientific(value)


def general_float(value: float) -> str:
    """The verbs ``%g`` and ``%v``: an exponent below 1e-4 and from 1e6 on, as in ``1e+06``."""
    special = _special(value)
    if special is not None:
        return special
    magnitude = abs(value)
    if magnitude == 0 or 1e-4 <= magnitude < 1e6:
        return plain_float(value)
    return scientific(value)


def scientific(value: float) -> str:
    """Shortest mantissa, exponent of at least two digits (the verb ``%e``)."""
    special = _special(value)
    if special is not None:
        return special
    text = plain_float(abs(value))
    whole, _, fraction = text.partition(".")
    if whole != "0":
        digits, exponent = whole + fraction, len(whole) - 1
    else:
        digits = fraction.lstrip("0")
        exponent = -(len(fraction) - len(digits) + 1)
    digits = digits.rstrip("0") or "0"
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{'-' if value < 0 else ''}{mantissa}e{exponent:+03d}"


def parse_float(text: str) -> float:
    """``strconv.ParseFloat``; raises ``ValueError``.

    Python also reads texts with spaces around, a NaN with a sign, and foreign digits.
    """
    if text != text.strip() or not text.isascii() or text[1:].lower() == "nan":
        raise ValueError(f"invalid float: {text!r}")
    value = float(text)
    if math.isinf(value) and "n" not in text.lower():
        raise ValueError(f"float out of range: {text!r}")
    return value


def timestamp_text(timestamp_ms: int) -> str:
    """Seconds with three decimals, or none where they are zero."""
    seconds, milliseconds = divmod(abs(timestamp_ms), 1000)
    sign = "-" if timestamp_ms < 0 else ""
    return f"{sign}{seconds}.{milliseconds:03d}" if milliseconds else f"{sign}{seconds}"


def rfc3339_nano(timestamp_ns: int) -> str:
    """``time.RFC3339Nano`` in UTC: as many decimals as are needed."""
    seconds, nanoseconds = divmod(timestamp_ns, 10**9)
    whole = datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{nanoseconds:09d}".rstrip("0") if nanoseconds else ""
    return f"{whole}{fraction}Z"


def rfc3339_millis(timestamp_ms: int) -> str:
    """Always with three decimals, in UTC: the form of Alertmanager's API."""
    seconds, milliseconds = divmod(timestamp_ms, 1000)
    whole = datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{milliseconds:03d}Z"


_UNITS_MS = {
    "y": 365 * 24 * 3600 * 1000,
    "w": 7 * 24 * 3600 * 1000,
    "d": 24 * 3600 * 1000,
    "h": 3600 * 1000,
    "m": 60 * 1000,
    "s": 1000,
    "ms": 1,
}
_DURATION = re.compile(
    r"(?:(?P<y>\d+)y)?(?:(?P<w>\d+)w)?(?:(?P<d>\d+)d)?(?:(?P<h>\d+)h)?"
    r"(?:(?P<m>\d+)m)?(?:(?P<s>\d+)s)?(?:(?P<ms>\d+)ms)?",
    re.ASCII,
)
_MAX_DURATION_MS = (2**63 - 1) // 10**6


def parse_duration_ms(text: str) -> int:
    """A duration such as ``1h30m`` in milliseconds; raises ``ValueError`` with Prometheus' text."""
    if text == "0":
        return 0
    if text == "":
        raise ValueError("empty duration string")
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"not a valid duration string: {quote(text)}")
    total = sum(int(n) * _UNITS_MS[unit] for unit, n in match.groupdict().items() if n)
    if total > _MAX_DURATION_MS:
        raise ValueError("duration out of range")
    return total


def duration_text(duration_ms: int) -> str:
    """A duration in Prometheus' own form: ``5m``, ``1h30m``, ``500ms``, ``0s``."""
    if duration_ms == 0:
        return "0s"
    rest, parts = duration_ms, []
    for unit, size in _UNITS_MS.items():
        # Years, weeks and days are used only where nothing is left over.
        if unit in ("y", "w", "d") and rest % size:
            continue
        if rest >= size:
            parts.append(f"{rest // size}{unit}")
            rest %= size
    return "".join(parts)
