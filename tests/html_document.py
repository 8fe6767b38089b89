"""HTML as a test looks at it: elements by attribute, their text, forms and their fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = frozenset(["br", "hr", "img", "input", "link", "meta"])


@dataclass
class Element:
    """A node of the tree; ``children`` are elements and texts in order."""

    name: str
    attributes: Mapping[str, str]
    children: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text within, runs of white space as one blank."""
        return " ".join(self.raw_text.split())

    @property
    def raw_text(self) -> str:
        return "".join(
            child if isinstance(child, str) else child.raw_text for child in self.children
        )

    def walk(self) -> Iterator[Element]:
        for child in self.children:
            if isinstance(child, Element):
                yield child
                yield from child.walk()

    def all(self, name: str | None = None, **attributes: str) -> list[Element]:
        """Elements within, in order; ``class_`` asks for one of an element's classes."""
        return [
            element
            for element in self.walk()
            if name in (None, element.name)
            and all(element._has(key, value) for key, value in attributes.items())
        ]

    def one(self, name: str | None = None, **attributes: str) -> Element:
        found = self.all(name, **attributes)
        assert len(found) == 1, f"expected one {name} {attributes}, found {len(found)}"
        return found[0]

    def pairs(self) -> dict[str, str]:
        """Of the rows within: the first cell's text → the second's."""
        rows = [[c.text for c in row.walk() if c.name in ("th", "td")] for row in self.all("tr")]
        return {cells[0]: cells[1] for cells in rows if len(cells) == 2}

    def fields(self) -> dict[str, str]:
        """Of a form: what it would send, without its buttons."""
        return {
            e.attributes["name"]: e.attributes.get("value", "")
            for e in self.all("input")
            if "name" in e.attributes
        }

    def _has(self, key: str, value: str) -> bool:
        if key == "class_":
            return value in self.attributes.get("class", "").split()
        return self.attributes.get(key.rstrip("_").replace("_", "-")) == value


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1].name == tag, f"</{tag}> closes <{self._open[-1].name}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)


def parse_html(text: str) -> Element:
    """The document; ``AssertionError`` where its elements are not closed properly."""
    builder = _Builder()
    builder.feed(text)
    builder.close()
    assert builder._open == [builder.root], f"<{builder._open[-1].name}> is not closed"
    return builder.root
