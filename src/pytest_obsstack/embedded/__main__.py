"""``python -m pytest_obsstack.embedded SETTINGS.json``: run the embedded stack in this process."""

from __future__ import annotations

import sys
from pathlib import Path

from pytest_obsstack.embedded.host import main
from pytest_obsstack.embedded.settings import HostSettings

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m pytest_obsstack.embedded SETTINGS.json")
    sys.exit(main(HostSettings.load(Path(sys.argv[1]))))
