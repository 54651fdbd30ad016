"""A bounded queue between threads, with a policy for when it is full and counts of what happened."""

import threading
from collections import deque
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

T = TypeVar("T")
WhenFull = Literal["reject", "replace_oldest", "block"]


@dataclass(frozen=True, slots=True)
class InboxStatistics:
    waiting: int
    max_items: int
    accepted: int
    rejected: int
    replaced: int


class InboxClosed(Exception):  # noqa: N818 - an end of stream, like StopIteration
    """Nothing more will come, or nothing more is taken."""


class Inbox(Generic[T]):
    """Many producers, many consumers. Every method may be called from any thread."""

    def __init__(self, *, max_items: int, when_full: WhenFull) -> None:
        if max_items < 1:
            raise ValueError(f"max_items must be >= 1; got {max_items}")
        self._items: deque[T] = deque()
        self._max_items = max_items
        self._when_full = when_full
        self._changed = threading.Condition()
        self._closed = False
        self._accepted = self._rejected = self._replaced = 0

    def put(self, item: T, *, timeout_s: float | None = None) -> bool:
        """True when the item is in. A full inbox rejects it, drops the oldest, or waits, as it was made to."""
        with self._changed:
            if self._when_full == "block":
                self._changed.wait_for(lambda: self._closed or len(self._items) < self._max_items, timeout_s)
            if self._closed:
                raise InboxClosed("the inbox is closed")
            if len(self._items) >= self._max_items:
                if self._when_full != "replace_oldest":
                    self._rejected += 1
                    return False
                self._items.popleft()
                self._replaced += 1
            self._items.append(item)
            self._accepted += 1
            self._changed.notify_all()
            return True

    def take(self, *, timeout_s: float | None = None) -> T | None:
        """The oldest item, or None after the timeout (None waits for ever). Raises `InboxClosed` at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._items), timeout_s)
            if self._items:
                item = self._items.popleft()
                self._changed.notify_all()
                return item
            if self._closed:
                raise InboxClosed("the inbox is closed")
            return None

    def close(self) -> None:
        """No more puts; what is inside can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def statistics(self) -> InboxStatistics:
        with self._changed:
            return InboxStatistics(
                waiting=len(self._items),
                max_items=self._max_items,
                accepted=self._accepted,
                rejected=self._rejected,
                replaced=self._replaced,
            )
