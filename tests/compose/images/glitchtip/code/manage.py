#!/usr/bin/env python3
"""Under Django's name: web, migrate and runworker of the stand-in."""

import sys

from tests.compose.standins.glitchtip.__main__ import main

sys.exit(main(sys.argv[1:]))
