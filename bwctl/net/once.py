"""Something that happens once, for any number of waiters."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import Any, Generic, TypeVar

from twisted.internet.defer import CancelledError, Deferred, gatherResults

T = TypeVar("T")


class Once(Generic[T]):
    """A value that comes later; the first one counts. A waiter may be cancelled alone."""

    def __init__(self) -> None:
        self._waiters: list[Deferred[T]] = []
        self._values: list[T] = []

    @property
    def fired(self) -> bool:
        """Whether it has happened."""
        return bool(self._values)

    @property
    def value(self) -> T | None:
        """What happened, None before."""
        return self._values[0] if self._values else None

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for it."""
        return bool(self._waiters)

    def fire(self, value: T) -> None:
        """It happened; later calls change nothing."""
        if self._values:
            return
        self._values.append(value)
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.callback(value)

    def wait(self) -> Deferred[T]:
        """Fires with the value, at once if it has happened."""
        waiter: Deferred[T] = Deferred(self._leave)
        if self._values:
            waiter.callback(self._values[0])
        else:
            self._waiters.append(waiter)
        return waiter

    def _leave(self, waiter: Deferred[T]) -> None:
        if waiter in self._waiters:
            self._waiters.remove(waiter)


async def settled(tasks: Iterable[Coroutine[Deferred[Any], Any, Any]]) -> list[Any]:
    """Results of coroutines that run side by side, once all are done; errors stand for themselves.

    Raises:
        CancelledError: one of them was cancelled; an error of another does not hide that.
    """
    running: list[Deferred[Any]] = [Deferred.fromCoroutine(task) for task in tasks]
    results: list[Any] = await gatherResults([one.addErrback(_value) for one in running])
    for result in results:
        if isinstance(result, CancelledError):
            raise result
    return results


def _value(failure: Any) -> BaseException:
    value: BaseException = failure.value
    return value
