"""The tests that the pages show below ``<!-- runs -->`` are tests of this module.

Those below ``<!-- runs in containers -->`` say that they need them, so elsewhere they are skipped.
"""

from __future__ import annotations

import os
import subprocess
import sys

import httpx
import pytest

from tests.docs.blocks import blocks

# What a reader would import at the top of the file.
IMPORTS = {module.__name__: module for module in (httpx, os, pytest, subprocess, sys)}
NEEDS = pytest.mark.obs_requires("app_control")

for _block in (*blocks("runs"), *blocks("runs in containers")):
    _names = dict(IMPORTS)
    exec(compile(_block.code, str(_block.page), "exec"), _names)  # noqa: S102 - our own pages
    for _name, _value in _names.items():
        if _name.startswith("test_"):
            if _name in globals():
                raise ValueError(f"two pages have a test {_name}")
            globals()[_name] = NEEDS(_value)


def test_every_block_that_runs_has_a_test() -> None:
    assert all("def test_" in block.code for block in blocks("runs"))
    assert len(blocks("runs")) >= 4


def test_every_block_that_runs_in_containers_says_so_itself() -> None:
    assert blocks("runs in containers")
    for block in blocks("runs in containers"):
        assert 'obs_requires("compose"' in block.code
