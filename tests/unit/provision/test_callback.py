from __future__ import annotations

import pytest

from pytest_obsstack.provision.callback import gateways


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("172.18.0.1 172.18.0.0/16\n", ["172.18.0.1"]),
        (" 172.17.0.0/16\n", ["172.17.0.1"]),
        ("<no value> 172.17.0.0/16\n", ["172.17.0.1"]),
        ("fd00::1 fd00::/64\n172.18.0.1 172.18.0.0/16\n\n", ["fd00::1", "172.18.0.1"]),
        ("\n", []),
        ("", []),
    ],
)
def test_the_gateway_of_a_network_is_told_or_its_first_address(
    told: str, expected: list[str]
) -> None:
    assert list(gateways(told)) == expected
