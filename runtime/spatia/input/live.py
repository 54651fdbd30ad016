"""Orders of a person at a window: motion goes at once, the rest waits for the clip in the making. Main thread."""

from collections import deque

from spatia.records.control import Generate, Motion, Order, ResetTo


class LiveSource:
    """Movement never waits behind an edit. A newer wish for a clip takes the place of one that waits."""

    def __init__(self) -> None:
        self._at_once: deque[Order] = deque()
        self._when_idle: deque[Order] = deque()

    def push(self, *orders: Order) -> None:
        for order in orders:
            if isinstance(order, Motion | ResetTo):
                self._at_once.append(order)
                continue
            if isinstance(order, Generate) and any(isinstance(waiting, Generate) for waiting in self._when_idle):
                self._when_idle = deque(o for o in self._when_idle if not isinstance(o, Generate))
            self._when_idle.append(order)

    def clear(self) -> None:
        self._at_once.clear()
        self._when_idle.clear()

    @property
    def waiting(self) -> int:
        """Orders that wait for the clip in the making."""
        return len(self._when_idle)

    def poll(self, tick: int, *, idle: bool) -> tuple[Order, ...]:
        """The next movement, and where nothing is in the making what waited longest beside it."""
        orders: list[Order] = [self._at_once.popleft()] if self._at_once else []
        if idle and self._when_idle:
            orders.append(self._when_idle.popleft())
        return tuple(orders)

    @property
    def exhausted(self) -> bool:
        return not self._at_once and not self._when_idle
