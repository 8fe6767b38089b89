"""The labels of one entry in a pipeline: those of its stream, its metadata, parsed ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

ERROR = "__error__"
ERROR_DETAILS = "__error_details__"
_EXTRACTED = "_extracted"
_INVALID_CHARACTER = re.compile(r"[^a-zA-Z0-9_]")


class EntryLabels:
    """Mutable, made for one entry; the mappings it is made of are never changed."""

    __slots__ = ("_base", "_extracted", "_removed", "error", "error_details", "metadata", "parsed")

    def __init__(self, base: Mapping[str, str], metadata: Mapping[str, str]) -> None:
        self._base = base
        self.metadata = {
            name if name not in base else name + _EXTRACTED: metadata[name] for name in metadata
        }
        self.parsed: dict[str, str] = {}
        self.error = ""
        self.error_details = ""
        self._removed: set[str] = set()
        self._extracted: set[str] = set()

    def get(self, name: str) -> str:
        """The value, empty where there is no such label."""
        if name in self.parsed:
            return self.parsed[name]
        if name in self.metadata:
            return self.metadata[name]
        if name in self._base and name not in self._removed:
            return self._base[name]
        if name == ERROR:
            return self.error
        return self.error_details if name == ERROR_DETAILS else ""

    def has(self, name: str) -> bool:
        if name in self.parsed or name in self.metadata:
            return True
        return name in self._base and name not in self._removed

    def names(self) -> Iterator[str]:
        """Names of all labels but the error's."""
        yield from self.parsed
        yield from (name for name in self.metadata if name not in self.parsed)
        taken = self.parsed.keys() | self.metadata.keys() | self._removed
        yield from (name for name in self._base if name not in taken)

    def set(self, name: str, value: str) -> None:
        """Set a label whatever held that name before."""
        self.metadata.pop(name, None)
        self.parsed[name] = value

    def extract(self, name: str, value: str) -> None:
        """Set a label that a parser found.

        It hides neither a label of the stream nor metadata, and the first of two values holds.
        """
        target = self.extracted_name(name)
        if target not in self._extracted:
            self._extracted.add(target)
            self.set(target, value)

    def extracted_name(self, name: str) -> str:
        """The name under which a parser's label goes."""
        return name + _EXTRACTED if name in self._base or name in self.metadata else name

    def delete(self, name: str) -> None:
        if name == ERROR:
            self.error = ""
        elif name == ERROR_DETAILS:
            self.error_details = ""
        else:
            self.parsed.pop(name, None)
            self.metadata.pop(name, None)
            self._removed.add(name)

    def set_error(self, kind: str, details: str = "") -> None:
        self.error = kind
        self.error_details = details

    def all(self) -> dict[str, str]:
        """All labels, those of an error included."""
        if self._removed:
            found = {n: v for n, v in self._base.items() if n not in self._removed}
        else:
            found = dict(self._base)
        found.update(self.metadata)
        found.update(self.parsed)
        found.update(self._error_labels())
        return found

    def of_stream(self) -> dict[str, str]:
        """The labels of the stream that nothing removed or hid (categorised answers)."""
        hidden = self._removed | self.metadata.keys() | self.parsed.keys()
        return {name: value for name, value in self._base.items() if name not in hidden}

    def found(self) -> dict[str, str]:
        """The parsed labels and those of an error (categorised answers)."""
        return {**self.parsed, **self._error_labels()}

    def _error_labels(self) -> dict[str, str]:
        labels = {}
        if self.error:
            labels[ERROR] = self.error
        if self.error_details:
            labels[ERROR_DETAILS] = self.error_details
        return labels


@lru_cache(maxsize=4096)
def valid_name(name: str, *, is_first: bool = True) -> str:
    """A key as a label name: ``my-key`` → ``my_key``; ``9x`` → ``_9x`` where it begins the name."""
    valid = _INVALID_CHARACTER.sub("_", name.strip())
    return "_" + valid if is_first and valid[:1].isdigit() else valid
