r"""Go's regular expressions (RE2 syntax) as Python's.

What differs is translated: ``$`` and ``\z``, flags in the middle, named groups, POSIX classes,
``\Q…\E``, classes of ASCII characters. What Python has and Go has not (look-around,
back-references, possessive repetition) is refused with Go's texts.
"""

from __future__ import annotations

import re
from functools import lru_cache

from pytest_obsstack.embedded.loki.logql.errors import NotSupported

_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": "\\x00-\\x7f",
    "blank": "\\t ",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\t\\n\\v\\f\\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_KEPT_ESCAPES = frozenset("aftnrvdDwWsSbBA")
_ASCII_CLASSES = frozenset("dDwWsSbB")
_REPEAT = re.compile(r"\{(\d+)(?:,(\d*))?\}")
_FLAGS = re.compile(r"\(\?([imsU]*(?:-[imsU]+)?)([:)])")
_GROUP_NAME = re.compile(r"\(\?P?<(\w+)>", re.ASCII)
_MOST_REPEATS = 1000


class RegexpError(ValueError):
    """A pattern that Go does not compile; ``str()`` is Go's message."""

    def __init__(self, reason: str, part: str) -> None:
        super().__init__(f"error parsing regexp: {reason}: `{part}`")


@lru_cache(maxsize=512)
def compile_search(pattern: str) -> re.Pattern[str]:
    """A pattern to be found anywhere. Raises ``RegexpError``."""
    return _compile(pattern, 0)


@lru_cache(maxsize=512)
def compile_anchored(pattern: str) -> re.Pattern[str]:
    """A pattern for ``fullmatch``, its dot matching a line feed too, as label matchers have it."""
    return _compile(pattern, re.DOTALL)


def _compile(pattern: str, flags: int) -> re.Pattern[str]:
    translated = _Translator(pattern).translate()
    try:
        return re.compile(translated, flags)
    except re.error as error:
        raise RegexpError(error.msg, pattern) from error


class _Translator:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._out: list[str] = []
        # For each open group, the flag groups opened in it: Go's "(?i)" reaches to the group's end.
        self._flags: list[list[str]] = [[]]
        self._repeatable = False
        self._repeated_at: int | None = None

    def translate(self) -> str:
        pattern = self._pattern
        while self._at < len(pattern):
            char = pattern[self._at]
            if char == "\\":
                self._escape()
            elif char == "[":
                self._class()
            elif char == "(":
                self._open()
            elif char == ")":
                self._close()
            elif char == "|":
                self._alternative()
            elif char in "*+?":
                self._repeat(char)
            elif char == "{":
                self._braces()
            elif char == "$":
                # Go's $ is the end of the text; with the flag m both mean the end of a line.
                self._atom("$" if self._multiline() else "\\Z", 1)
            else:
                self._atom(char if char in "^." else re.escape(char), 1)
        if len(self._flags) > 1:
            raise RegexpError("missing closing )", pattern)
        return "".join(self._out) + ")" * len(self._flags[0])

    def _atom(self, text: str, length: int) -> None:
        self._out.append(text)
        self._at += length
        self._repeatable = True
        self._repeated_at = None

    def _multiline(self) -> bool:
        set_flags = [flags for group in self._flags for flags in group]
        return any("m" in flags.partition("-")[0] for flags in set_flags)

    # Groups ---------------------------------------------------------------------------------------

    def _open(self) -> None:
        pattern, at = self._pattern, self._at
        if pattern[at : at + 2] != "(?":
            return self._begin_group("(", 1)
        named = _GROUP_NAME.match(pattern, at)
        if named is not None:
            return self._begin_group(f"(?P<{named[1]}>", len(named[0]))
        if pattern.startswith(("(?P<", "(?<"), at) and pattern[at : at + 4] not in ("(?<=", "(?<!"):
            end = pattern.find(">", at)
            raise RegexpError("invalid named capture", pattern[at : end + 1 if end > 0 else None])
        flags = _FLAGS.match(pattern, at)
        if flags is None:
            raise RegexpError("invalid or unsupported Perl syntax", pattern[at : at + 3])
        if "U" in flags[1]:
            raise NotSupported("the flag U (ungreedy) in a regular expression")
        if flags[2] == ":":
            self._begin_group("(?:", 0)
        if flags[1].strip("-"):
            self._out.append(f"(?{flags[1]}:")
            self._flags[-1].append(flags[1])
        self._at += len(flags[0])
        self._repeatable = False
        return None

    def _begin_group(self, opening: str, length: int) -> None:
        self._out.append(opening)
        self._flags.append([])
        self._at += length
        self._repeatable = False

    def _close(self) -> None:
        if len(self._flags) == 1:
            raise RegexpError("unexpected )", self._pattern)
        self._atom(")" * len(self._flags.pop()) + ")", 1)

    def _alternative(self) -> None:
        # Flags set by "(?i)" hold in the next alternative too, Python's groups do not.
        again = "".join(f"(?{flags}:" for flags in self._flags[-1])
        self._out.append(")" * len(self._flags[-1]) + "|" + again)
        self._at += 1
        self._repeatable = False

    # Repetition -----------------------------------------------------------------------------------

    def _repeat(self, operator: str) -> None:
        pattern, at = self._pattern, self._at
        if pattern[at + len(operator) : at + len(operator) + 1] == "?":
            operator += "?"
        if self._repeated_at is not None:
            part = pattern[self._repeated_at : at + len(operator)]
            raise RegexpError("invalid nested repetition operator", part)
        if not self._repeatable:
            raise RegexpError("missing argument to repetition operator", operator)
        self._out.append(operator)
        self._repeated_at = at
        self._at += len(operator)

    def _braces(self) -> None:
        repeat = _REPEAT.match(self._pattern, self._at)
        if repeat is None:
            return self._atom("\\{", 1)
        least, most = int(repeat[1]), int(repeat[2] or repeat[1])
        if max(least, most) > _MOST_REPEATS or most < least:
            raise RegexpError("invalid repeat count", repeat[0])
        return self._repeat(repeat[0])

    # Characters -----------------------------------------------------------------------------------

    def _escape(self) -> None:
        if self._pattern.startswith("\\Q", self._at):
            end = self._pattern.find("\\E", self._at)
            literal = self._pattern[self._at + 2 : end if end >= 0 else None]
            self._atom(re.escape(literal), len(literal) + (4 if end >= 0 else 2))
            return
        if self._pattern.startswith("\\z", self._at):
            self._atom("\\Z", 2)
            return
        text, length = self._escaped(self._at)
        self._atom(_ascii(text) if text[1:] in _ASCII_CLASSES else text, length)

    def _escaped(self, at: int) -> tuple[str, int]:
        """(Python's form, length) of the escape at ``at``, outside and inside of a class."""
        pattern = self._pattern
        code = pattern[at + 1 : at + 2]
        if not code:
            raise RegexpError("trailing backslash at end of expression", "")
        if code in _KEPT_ESCAPES or not (code.isalnum() or code == "_"):
            return ("\\" + code if code.isalnum() else re.escape(code)), 2
        if code in "pP":
            raise NotSupported("classes of Unicode characters (\\p) in a regular expression")
        number = re.compile(r"\\x\{([0-9a-fA-F]{1,6})\}|\\x([0-9a-fA-F]{2})").match(pattern, at)
        if number is not None:
            return re.escape(chr(int(number[1] or number[2], 16))), len(number[0])
        octal = re.compile(r"\\(0[0-7]{0,2}|[1-7][0-7]{1,2})").match(pattern, at)
        if octal is not None:
            return re.escape(chr(int(octal[1], 8))), len(octal[0])
        raise RegexpError("invalid escape sequence", pattern[at : at + 2])

    def _class(self) -> None:
        pattern, start = self._pattern, self._at
        negated = pattern.startswith("[^", start)
        at = start + (2 if negated else 1)
        out = ["[^" if negated else "["]
        first = True
        has_class = False
        while at < len(pattern) and (first or pattern[at] != "]"):
            first = False
            if pattern.startswith("[:", at) and (end := pattern.find(":]", at)) > 0:
                name = pattern[at + 2 : end]
                if name not in _POSIX:
                    raise RegexpError("invalid character class range", pattern[at : end + 2])
                out.append(_POSIX[name])
                at = end + 2
            elif pattern[at] == "\\":
                text, length = self._escaped(at)
                has_class = has_class or text[1:] in _ASCII_CLASSES
                out.append(text)
                at += length
            else:
                out.append("\\" + pattern[at] if pattern[at] in "[]&|~" else pattern[at])
                at += 1
        if at >= len(pattern):
            raise RegexpError("missing closing ]", pattern[start:])
        text = "".join(out) + "]"
        self._atom(_ascii(text) if has_class else text, at + 1 - start)


def _ascii(text: str) -> str:
    r"""Restricted to ASCII, as Go's ``\w`` is; a flag for all would restrict folding too."""
    return f"(?a:{text})"
