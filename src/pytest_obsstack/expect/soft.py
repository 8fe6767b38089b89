"""The edge of all expectations: where a failure is raised at the test's line, or collected.

``Expectations`` wraps the public ``expect_…`` methods of its subclasses. Outside of a block of
``obs.soft()`` a failure leaves such a method without the frames of this package. Inside of one an
unmet expectation is noted with the test's line, and the block goes on with an ``Unmet`` in place of
what should have been found; whatever else happens ends the block at once.
"""

from __future__ import annotations

import functools
import linecache
import sys
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn

from pytest_obsstack.errors import ObsstackError

_PACKAGE = str(Path(__file__).parents[1])
_INDENT = "   "


class Expectations:
    """Base of the classes whose methods ``expect_…`` are asked by tests."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, method in list(vars(cls).items()):
            if name.startswith("expect_") and callable(method):
                setattr(cls, name, _at_the_edge(method))


@dataclass(frozen=True)
class Failure:
    """An expectation of a block that was not met."""

    line: str
    """Where in the test, and the line itself."""
    text: str


class UnmetUsed(AssertionError):
    """Something was done with what an unmet expectation should have found."""

    def __init__(self, number: int) -> None:
        super().__init__(f"This needs what expectation {number}) of the block has not found.")
        self.number = number


class Unmet:
    """Stands for what an expectation of a block should have found; whoever looks into it fails."""

    def __init__(self, number: int) -> None:
        object.__setattr__(self, "_number", number)

    def __repr__(self) -> str:
        return f"<what expectation {object.__getattribute__(self, '_number')}) has not found>"

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__") and name.endswith("__"):
            # What Python itself asks for, to copy it or to show it.
            raise AttributeError(name)
        _use(self)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        _use(self)


def _use(unmet: Unmet, *_: Any) -> NoReturn:
    __tracebackhide__ = True
    raise UnmetUsed(object.__getattribute__(unmet, "_number"))


for _name in (
    *("eq", "ne", "lt", "le", "gt", "ge", "bool", "iter", "len", "getitem", "contains", "call"),
    *("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "float", "int", "round"),
):
    setattr(Unmet, f"__{_name}__", _use)
Unmet.__hash__ = object.__hash__  # type: ignore[method-assign]  # it has an __eq__, and no content


@dataclass
class SoftBlock:
    """``with obs.soft():``; all mismatches of the block together, as one ``AssertionError``."""

    failures: list[Failure] = field(default_factory=list)
    asked: int = 0
    _outer: SoftBlock | None = None
    _frame: FrameType | None = None

    def __enter__(self) -> None:
        self._outer = _block.get()
        self._frame = _caller()
        _block.set(self if self._outer is None else self._outer)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        __tracebackhide__ = True
        self._frame = None
        if self._outer is not None:
            # What was noted is the outer block's already, and it tells all at its own end.
            return
        _block.set(None)
        if not self.failures:
            return
        if error is None:
            raise AssertionError(self.report())
        if isinstance(error, UnmetUsed):
            line = "" if traceback is None else _place(_last_of_tests(traceback))
            text = f"{self.report()}\n\nThe block ended at {line}\n{error}"
            raise AssertionError(text) from None  # noqa: TRY004 - a type is looked at, but no fault
        _add_note(error, f"Before that: {self.report()}")

    def note(self, text: str, caller: FrameType) -> Unmet:
        """Keep an unmet expectation that ``caller`` has asked."""
        self.failures.append(Failure(self._line(caller), text))
        return Unmet(len(self.failures))

    def report(self) -> str:
        """All that was not met, numbered."""
        count = len(self.failures)
        asked = f"{self.asked} expectations" if self.asked != 1 else "1 expectation"
        parts = [f"{count} of {asked} of the block {'was' if count == 1 else 'were'} not met."]
        for number, failure in enumerate(self.failures, 1):
            text = failure.text.replace("\n", "\n" + _INDENT)
            parts.append(f"{number}) {failure.line}\n{_INDENT}{text}")
        return "\n\n".join(parts)

    def _line(self, caller: FrameType) -> str:
        """The block's own line, and behind it that of the helper that has asked."""
        frame: FrameType | None = caller
        while frame is not None and frame is not self._frame:
            frame = frame.f_back
        asked = _place((caller.f_code.co_filename, caller.f_lineno))
        if frame is None or frame is caller:
            return asked
        return f"{_place((frame.f_code.co_filename, frame.f_lineno))}\n{_INDENT}in {asked}"


_block: ContextVar[SoftBlock | None] = ContextVar("soft block", default=None)
_inside: ContextVar[bool] = ContextVar("inside an expectation", default=False)


def _at_the_edge(method: Callable[..., Any]) -> Callable[..., Any]:
    gives_nothing = method.__annotations__.get("return") in (None, "None")

    @functools.wraps(method)
    def expect(*arguments: Any, **options: Any) -> Any:
        __tracebackhide__ = True
        if _inside.get():
            # One expectation asks another: only the one that the test asks is its own.
            return method(*arguments, **options)
        block = _block.get()
        token = _inside.set(True)
        try:
            if block is not None:
                block.asked += 1
            return method(*arguments, **options)
        except (AssertionError, ObsstackError) as error:
            if block is None or not isinstance(error, AssertionError):
                # What an error of this package was caused by is in its text; the frames of an HTTP
                # client would hide the test's line among hundreds.
                cause = None if isinstance(error, ObsstackError) else error.__cause__
                raise error.with_traceback(_behind_package(error.__traceback__)) from cause
            unmet = block.note(str(error), _caller())
            return None if gives_nothing else unmet
        finally:
            _inside.reset(token)

    return expect


def _behind_package(traceback: TracebackType | None) -> TracebackType | None:
    """What a test's own function has done that an expectation has called; else nothing."""
    rest, entry = None, traceback
    while entry is not None:
        if entry.tb_frame.f_code.co_filename.startswith(_PACKAGE):
            rest = entry.tb_next
        entry = entry.tb_next
    return rest


def _caller() -> FrameType:
    """The frame that has called the function that asks."""
    return sys._getframe(2)  # noqa: SLF001 - inspect.currentframe() may be None, for type checkers


def _last_of_tests(traceback: TracebackType) -> tuple[str, int]:
    """The last line before this package's own."""
    last = traceback
    while last.tb_next is not None and not last.tb_next.tb_frame.f_code.co_filename.startswith(
        _PACKAGE
    ):
        last = last.tb_next
    return last.tb_frame.f_code.co_filename, last.tb_lineno


def _place(at: tuple[str, int]) -> str:
    """``test_shop.py:12  obs.get("/")``."""
    filename, number = at
    line = linecache.getline(filename, number).strip()
    return f"{Path(filename).name}:{number}" + (f"  {line}" if line else "")


def _add_note(error: BaseException, text: str) -> None:
    if sys.version_info >= (3, 11):
        error.add_note(text)
    elif isinstance(error, ObsstackError):
        error.found = text if error.found is None else f"{error.found}\n{text}"
    elif error.args:
        error.args = (f"{error.args[0]}\n{text}", *error.args[1:])
