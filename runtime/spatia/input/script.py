"""Orders one after the other: the next comes when the last is carried out. Runs on the main thread."""

from collections import deque
from collections.abc import Iterable

from spatia.records.control import Order


class ScriptSource:
    """What a scene file asks for, or what an agent has pushed, in order."""

    def __init__(self, orders: Iterable[Order] = ()) -> None:
        self._orders = deque(orders)

    def push(self, order: Order) -> None:
        self._orders.append(order)

    def clear(self) -> None:
        self._orders.clear()

    def poll(self, tick: int, *, idle: bool) -> tuple[Order, ...]:
        if not (idle and self._orders):
            return ()
        return (self._orders.popleft(),)

    @property
    def exhausted(self) -> bool:
        return not self._orders
