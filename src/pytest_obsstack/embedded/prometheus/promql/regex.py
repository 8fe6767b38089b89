r"""Regular expressions of RE2 (Go's ``regexp/syntax``), run by Python's ``re``.

Python's dialect differs: in flags in mid-pattern, in what ``$``, ``\d`` and ``\z`` mean, in what
it refuses. So the pattern is read here, refused with Go's texts, and written anew for Python, each
atom with the flags that hold for it. Unicode classes (``\p{Greek}``) have no counterpart and are
refused by name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias

Ranges: TypeAlias = tuple[tuple[str, str], ...]

_LAST = "\U0010ffff"
_PERL_CLASSES: dict[str, Ranges] = {
    "d": (("0", "9"),),
    "s": (("\t", "\n"), ("\f", "\r"), (" ", " ")),
    "w": (("0", "9"), ("A", "Z"), ("_", "_"), ("a", "z")),
}
_POSIX_CLASSES: dict[str, Ranges] = {
    "alnum": (("0", "9"), ("A", "Z"), ("a", "z")),
    "alpha": (("A", "Z"), ("a", "z")),
    "ascii": (("\0", "\x7f"),),
    "blank": (("\t", "\t"), (" ", " ")),
    "cntrl": (("\0", "\x1f"), ("\x7f", "\x7f")),
    "digit": (("0", "9"),),
    "graph": (("!", "~"),),
    "lower": (("a", "z"),),
    "print": ((" ", "~"),),
    "punct": (("!", "/"), (":", "@"), ("[", "`"), ("{", "~")),
    "space": (("\t", "\r"), (" ", " ")),
    "upper": (("A", "Z"),),
    "word": _PERL_CLASSES["w"],
    "xdigit": (("0", "9"), ("A", "F"), ("a", "f")),
}
_ANCHORS = {"A": r"\A", "z": r"\Z", "b": r"(?a:\b)", "B": r"(?a:\B)"}
_CONTROLS = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_REPETITION = re.compile(r"\{(\d+)(?:(,)(\d*))?\}", re.ASCII)
_GROUP_NAME = re.compile(r"\?P?<(\w+)>", re.ASCII)
_FLAGS = re.compile(r"\?([imsU]*)(-[imsU]+)?([:)])")
_FLAGS_BEGUN = re.compile(r"\?[imsU]*(?:-[imsU]*)?")
_HEXADECIMAL = re.compile(r"\\x(?:\{([0-9a-fA-F]+)\}|([0-9a-fA-F]{2}))")
_OCTAL = re.compile(r"\\(0[0-7]{0,2}|[1-7][0-7]{1,2})")
_POSIX = re.compile(r"\[:(\^?)(\w*):\]")
_MAX_REPETITION = 1000


class RegexError(Exception):
    """A pattern that Go does not take; ``str()`` is Go's text."""

    def __init__(self, text: str, part: str) -> None:
        super().__init__(f"error parsing regexp: {text}: `{part}`")


@dataclass(frozen=True)
class Pattern:
    """``groups`` are the names of its groups, empty for one without, that of the whole first."""

    compiled: re.Pattern[str]
    groups: tuple[str, ...]

    def fullmatch(self, text: str) -> re.Match[str] | None:
        return self.compiled.fullmatch(text)


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> Pattern:
    """As in Prometheus a dot matches line feeds too. Raises ``RegexError``."""
    translator = _Translator(pattern)
    translated = translator.translate()
    return Pattern(re.compile(translated), tuple(translator.groups))


@dataclass(frozen=True)
class _Flags:
    ignore_case: bool = False
    multi_line: bool = False
    dot_all: bool = True
    ungreedy: bool = False


class _Translator:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._position = 0
        # Go takes a name twice, and names that Python does not; so Python gets none.
        self.groups = [""]

    def translate(self) -> str:
        translated = self._alternatives(_Flags())
        if self._position < len(self._pattern):
            raise RegexError("unexpected )", self._pattern)
        return translated

    def _rest(self) -> str:
        return self._pattern[self._position :]

    def _alternatives(self, flags: _Flags) -> str:
        """Up to the closing parenthesis or the end; flags set within hold until there."""
        written: list[str] = []
        while self._position < len(self._pattern):
            char = self._pattern[self._position]
            if char == ")":
                break
            if char == "|":
                self._position += 1
                written.append("|")
                continue
            changed = self._flag_change(flags)
            if changed is not None:
                flags = changed
                continue
            if char in "*+?":
                raise RegexError("missing argument to repetition operator", char)
            if char == "{" and (count := _REPETITION.match(self._pattern, self._position)):
                raise RegexError("missing argument to repetition operator", count[0])
            written.append(self._repeated(self._atom(char, flags), flags))
        return "".join(written)

    def _flag_change(self, flags: _Flags) -> _Flags | None:
        """``(?i)`` and its kin: the flags from here on."""
        if not self._pattern.startswith("(?", self._position):
            return None
        match = _FLAGS.match(self._pattern, self._position + 1)
        if match is None or match[3] != ")" or not (match[1] or match[2]):
            return None
        self._position = match.end()
        return _changed(flags, match[1], match[2] or "")

    def _atom(self, char: str, flags: _Flags) -> str:
        if char == "(":
            return self._group(flags)
        if char == "[":
            return self._cased(self._class(), flags)
        if char == "\\":
            return self._escape(flags)
        self._position += 1
        if char == ".":
            return "(?s:.)" if flags.dot_all else r"[^\n]"
        if char == "^":
            return "(?m:^)" if flags.multi_line else r"\A"
        if char == "$":
            return "(?m:$)" if flags.multi_line else r"\Z"
        return self._cased(re.escape(char), flags)

    @staticmethod
    def _cased(atom: str, flags: _Flags) -> str:
        return f"(?i:{atom})" if flags.ignore_case else atom

    def _group(self, flags: _Flags) -> str:
        start = self._position
        self._position += 1
        opening = "("
        change = _FLAGS.match(self._pattern, self._position)
        if change and change[3] == ":":
            self._position = change.end()
            flags = _changed(flags, change[1], change[2] or "")
            opening = "(?:"
        elif self._pattern.startswith("?", self._position):
            name = _GROUP_NAME.match(self._pattern, self._position)
            if name is None:
                raise self._unknown_group(self._pattern[start:])
            self._position = name.end()
            self.groups.append(name[1])
        else:
            self.groups.append("")
        inner = self._alternatives(flags)
        if not self._pattern.startswith(")", self._position):
            raise RegexError("missing closing )", self._pattern)
        self._position += 1
        return f"{opening}{inner})"

    def _unknown_group(self, group: str) -> RegexError:
        if group.startswith(("(?P<", "(?<")):
            name, end, _ = group.partition(">")
            return RegexError("invalid named capture", name + end)
        begun = _FLAGS_BEGUN.match(group, 1)
        end_of_flags = begun.end() if begun else len(group)
        return RegexError("invalid or unsupported Perl syntax", group[: end_of_flags + 1])

    def _repeated(self, atom: str, flags: _Flags) -> str:
        start = self._position
        operator = self._repetition()
        if operator is None:
            return atom
        lazy = self._pattern.startswith("?", self._position)
        self._position += lazy
        end = self._position
        if self._repetition() is not None:
            part = self._pattern[start:end] + self._pattern[end : self._position]
            raise RegexError("invalid nested repetition operator", part)
        # Python takes no repetition of an anchor without a group around it.
        return f"(?:{atom}){operator}" + ("?" if lazy is not flags.ungreedy else "")

    def _repetition(self) -> str | None:
        char = self._pattern[self._position : self._position + 1]
        if char and char in "*+?":
            self._position += 1
            return char
        match = _REPETITION.match(self._pattern, self._position)
        if match is None:
            return None
        least, most = int(match[1]), int(match[3]) if match[3] else None
        if least > _MAX_REPETITION or (most or 0) > _MAX_REPETITION:
            raise RegexError("invalid repeat count", match[0])
        if most is not None and most < least:
            raise RegexError("invalid repeat count", match[0])
        self._position = match.end()
        return match[0]

    def _escape(self, flags: _Flags) -> str:
        start = self._position
        char = self._pattern[start + 1 : start + 2]
        if char in _ANCHORS:
            self._position += 2
            return _ANCHORS[char]
        if char.lower() in _PERL_CLASSES:
            self._position += 2
            return f"[{_perl_class(char)}]"
        if char == "Q":
            quoted, _, _ = self._pattern[start + 2 :].partition(r"\E")
            self._position = min(len(self._pattern), start + 4 + len(quoted))
            return f"(?:{self._cased(re.escape(quoted), flags)})"
        if char and char in "pP":
            raise _unicode_class(char)
        return self._cased(re.escape(self._escaped_character()), flags)

    def _escaped_character(self) -> str:
        """The character that the escape sequence at the position stands for."""
        start = self._position
        char = self._pattern[start + 1 : start + 2]
        self._position += 2
        if char == "":
            raise RegexError("trailing backslash at end of expression", "")
        if char in _CONTROLS:
            return _CONTROLS[char]
        hexadecimal = _HEXADECIMAL.match(self._pattern, start)
        octal = _OCTAL.match(self._pattern, start)
        if hexadecimal and int(hexadecimal[1] or hexadecimal[2], 16) <= ord(_LAST):
            self._position = hexadecimal.end()
            return chr(int(hexadecimal[1] or hexadecimal[2], 16))
        if octal:
            self._position = octal.end()
            return chr(int(octal[1], 8))
        if char.isascii() and not char.isalnum():
            return char
        length = 2
        if char == "x":
            brace = self._pattern.startswith("{", start + 2)
            length = len(self._pattern[start:].partition("}")[0]) if brace else 4
        raise RegexError("invalid escape sequence", self._pattern[start : start + length])

    def _class(self) -> str:
        """A bracket expression; the first character after the opening may be a bracket."""
        start = self._position
        self._position += 1
        negated = self._pattern.startswith("^", self._position)
        self._position += negated
        parts: list[str] = []
        first = True
        while first or not self._pattern.startswith("]", self._position):
            if self._position >= len(self._pattern):
                raise RegexError("missing closing ]", self._pattern[start:])
            parts.append(self._class_part())
            first = False
        self._position += 1
        return f"[{'^' if negated else ''}{''.join(parts)}]"

    def _class_part(self) -> str:
        posix = _POSIX.match(self._pattern, self._position)
        if posix:
            ranges = _POSIX_CLASSES.get(posix[2])
            if ranges is None:
                raise RegexError("invalid character class range", posix[0])
            self._position = posix.end()
            return _written(_complement(ranges) if posix[1] else ranges)
        if self._pattern.startswith("\\", self._position):
            escaped = self._pattern[self._position + 1 : self._position + 2]
            if escaped.lower() in _PERL_CLASSES:
                self._position += 2
                return _perl_class(escaped)
            if escaped and escaped in "pP":
                raise _unicode_class(escaped)
        start = self._position
        low = high = self._class_character()
        rest = self._rest()
        if rest.startswith("-") and len(rest) > 1 and rest[1] != "]":
            self._position += 1
            high = self._class_character()
            if high < low:
                part = self._pattern[start : self._position]
                raise RegexError("invalid character class range", part)
        return _written(((low, high),))

    def _class_character(self) -> str:
        if self._pattern.startswith("\\", self._position):
            return self._escaped_character()
        char = self._pattern[self._position]
        self._position += 1
        return char


def _changed(flags: _Flags, on: str, off: str) -> _Flags:
    names = {"i": "ignore_case", "m": "multi_line", "s": "dot_all", "U": "ungreedy"}
    changes = {names[c]: True for c in on} | {names[c]: False for c in off.lstrip("-")}
    return replace(flags, **changes)


def _perl_class(char: str) -> str:
    ranges = _PERL_CLASSES[char.lower()]
    return _written(_complement(ranges) if char.isupper() else ranges)


def _complement(ranges: Ranges) -> Ranges:
    gaps = []
    after = 0
    for low, high in ranges:
        if ord(low) > after:
            gaps.append((chr(after), chr(ord(low) - 1)))
        after = ord(high) + 1
    return (*gaps, (chr(after), _LAST))


def _written(ranges: Ranges) -> str:
    """The inside of a bracket expression."""
    return "".join(
        re.escape(low) if low == high else f"{re.escape(low)}-{re.escape(high)}"
        for low, high in ranges
    )


def _unicode_class(char: str) -> RegexError:
    return RegexError("not supported by the embedded Prometheus: Unicode class", rf"\{char}")
