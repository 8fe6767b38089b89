"""How a process makes a product out of its class, its settings and an earlier journal."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from pytest_obsstack.embedded.journal import Journal, read_journal
from pytest_obsstack.embedded.product import Product


def build_product(server_kind: Any, settings: Any, journal_path: Path) -> tuple[Product, Journal]:
    """The product as it was when the process that wrote the journal ended, and its journal."""
    earlier = read_journal(journal_path)
    journal = Journal(journal_path)
    product: Product = server_kind(settings, journal)
    for entry in earlier:
        product.replay(entry)
    return product, journal


def log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # "Shutting down" without a name, once for each listener.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    # Each request to a data source, with its query.
    logging.getLogger("httpx").setLevel(logging.WARNING)
