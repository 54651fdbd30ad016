"""Orders one after the other: the next comes when the last is carried out. Runs on the main thread."""

from collections import deque
from collections.abc import Iterable

from spatia.records.control import Motion, Order, ResetTo


class ScriptSource:
    """What a scene file asks for, or what an agent has pushed, in order; at most one order a tick.

    Motion never waits, since a walker goes on while a clip is being made, nor does a reset; every other order does.
    """

    def __init__(self, orders: Iterable[Order] = ()) -> None:
        self._orders = deque(orders)

    def push(self, *orders: Order) -> None:
        self._orders.extend(orders)

    def clear(self) -> None:
        self._orders.clear()

    def poll(self, tick: int, *, idle: bool) -> tuple[Order, ...]:
        if self._orders and (idle or isinstance(self._orders[0], Motion | ResetTo)):
            return (self._orders.popleft(),)
        return ()

    @property
    def exhausted(self) -> bool:
        return not self._orders
