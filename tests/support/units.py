"""Counts the units of work that are open: what must not wait for the network while one is."""

from __future__ import annotations

from types import TracebackType

from app.ports import UnitOfWork, UnitOfWorkFactory


class CountedUnits:
    """A factory of units of work; `open` is how many have begun and not ended."""

    def __init__(self, begin: UnitOfWorkFactory) -> None:
        self._begin = begin
        self.open = 0

    def __call__(self) -> _Counted:
        return _Counted(self, self._begin())


class _Counted:
    def __init__(self, units: CountedUnits, inner: UnitOfWork) -> None:
        self._units = units
        self._inner = inner

    def __enter__(self) -> UnitOfWork:
        entered = self._inner.__enter__()
        self._units.open += 1
        return entered

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._units.open -= 1
        self._inner.__exit__(kind, error, trace)
