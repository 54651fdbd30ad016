import threading

import pytest

from spatia.inbox import Inbox, InboxClosed


def test_a_full_inbox_rejects_and_counts() -> None:
    inbox = Inbox[int](max_items=1, when_full="reject")
    assert inbox.put(1)
    assert not inbox.put(2)
    assert inbox.statistics().rejected == 1
    assert inbox.take() == 1


def test_the_newest_replaces_the_oldest_where_that_is_the_policy() -> None:
    inbox = Inbox[int](max_items=2, when_full="replace_oldest")
    for item in range(4):
        assert inbox.put(item)
    assert [inbox.take(), inbox.take()] == [2, 3]
    assert inbox.statistics().replaced == 2


def test_a_blocked_put_goes_on_when_there_is_room() -> None:
    inbox = Inbox[int](max_items=1, when_full="block")
    inbox.put(1)
    done = threading.Event()

    def put() -> None:
        inbox.put(2)
        done.set()

    thread = threading.Thread(target=put)
    thread.start()
    assert inbox.take() == 1
    assert done.wait(5)
    assert inbox.take() == 2
    thread.join()


def test_a_closed_inbox_gives_what_it_holds_and_then_ends() -> None:
    inbox = Inbox[int](max_items=2, when_full="reject")
    inbox.put(1)
    inbox.close()
    assert inbox.take() == 1
    with pytest.raises(InboxClosed):
        inbox.take()
    with pytest.raises(InboxClosed):
        inbox.put(2)


def test_an_empty_inbox_gives_none_after_the_timeout() -> None:
    assert Inbox[int](max_items=1, when_full="reject").take(timeout_s=0.0) is None
