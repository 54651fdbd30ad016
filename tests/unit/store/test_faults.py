"""Every operation by which a commit changes the disk is made to fail, one after another, until none is left to fail."""

import errno
import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from spatia.errors import StoreError
from spatia.store.folder import create, open_store
from spatia.store.on_disk import FolderStore
from spatia.store.protocol import CommitInfo
from support.store_samples import DiskStopped, FaultyFiles, cloud_change, page_words

MAX_OPERATIONS = 200


def first_commit(store: FolderStore) -> CommitInfo:
    store.append_events([(0, "start", b"")])
    return store.commit("initial", {}, cloud=cloud_change({0: 1, 1: 2}, page_count=2))


def second_commit(store: FolderStore) -> CommitInfo:
    store.append_events([(1, "walk", b""), (2, "walk", b"")])
    change = cloud_change({1: 3, 2: 4}, page_count=3, version=1)
    return store.commit("clip", {"round": 1}, cloud=change, arrays={"a": np.arange(99), "b": np.ones((4, 4))})


@pytest.fixture(scope="module")
def begun(ram_folder: Path) -> Path:
    """A world with its first commit, to be copied."""
    path = ram_folder / "begun"
    with create(path, settings={}) as store:
        first_commit(store)
    return path


@pytest.fixture(scope="module")
def hashes(begun: Path, ram_folder: Path) -> tuple[str, str]:
    path = shutil.copytree(begun, ram_folder / "whole")
    with open_store(path) as store:
        second_commit(store)
        first, second = store.log()
    return first.hash, second.hash


def check_whole(path: Path, hashes: tuple[str, str], *, may_have_happened: bool) -> None:
    """The world opens at its last commit, nothing is left lying about, and it can go on."""
    with open_store(path) as store:
        head = store.head
        assert head is not None
        assert store.fsck() == []
        assert [info.hash for info in store.log()] == list(hashes[: head.number + 1])
        assert head.number == 0 or may_have_happened
        np.testing.assert_array_equal(store.load_cloud(0).pages[1], page_words(2))
        if head.number == 0:
            assert second_commit(store).hash == hashes[1]
        np.testing.assert_array_equal(store.load_cloud(1).pages[2], page_words(4))
        assert [event.tick for event in store.events()] == [0, 1, 2]


@pytest.mark.parametrize("after", [False, True], ids=["refused", "done but reported as failed"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EACCES], ids=errno.errorcode.get)
def test_a_commit_that_the_disk_refuses_leaves_the_last_one_whole(
    ram_path: Path, begun: Path, hashes: tuple[str, str], error: int, after: bool
) -> None:
    for fail_at in range(1, MAX_OPERATIONS):
        path = shutil.copytree(begun, ram_path / str(fail_at))
        files = FaultyFiles(fail_at=fail_at, error=error, after=after)
        with open_store(path, files=files) as store:
            try:
                second_commit(store)
            except StoreError as refusal:
                assert "commit 1 was refused (commit 0 is safe)" in str(refusal)
                assert refusal.fix
                assert not list(path.rglob("*.tmp"))
                assert store.head is not None and store.head.number == 0
        check_whole(path, hashes, may_have_happened=after or not files.fired)
        if not files.fired:
            assert fail_at > 20
            return
    pytest.fail("the commit takes more operations than this test tries")


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EACCES], ids=errno.errorcode.get)
def test_a_refused_commit_can_be_tried_again_on_the_same_store(
    ram_path: Path, begun: Path, hashes: tuple[str, str], error: int
) -> None:
    for fail_at in range(1, MAX_OPERATIONS):
        path = shutil.copytree(begun, ram_path / str(fail_at))
        files = FaultyFiles(fail_at=fail_at, error=error)
        with open_store(path, files=files) as store:
            try:
                second_commit(store)
            except StoreError:
                change = cloud_change({1: 3, 2: 4}, page_count=3, version=1)
                arrays = {"a": np.arange(99), "b": np.ones((4, 4))}
                store.commit("clip", {"round": 1}, cloud=change, arrays=arrays)
        check_whole(path, hashes, may_have_happened=True)
        if not files.fired:
            return
    pytest.fail("the commit takes more operations than this test tries")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_process_that_dies_at_any_operation_leaves_the_last_commit(
    ram_path: Path, begun: Path, hashes: tuple[str, str], after: bool
) -> None:
    for fail_at in range(1, MAX_OPERATIONS):
        path = shutil.copytree(begun, ram_path / str(fail_at))
        files = FaultyFiles(fail_at=fail_at, error=None, after=after)
        with open_store(path, files=files) as store:
            try:
                second_commit(store)
            except DiskStopped:
                assert store.head is not None
        check_whole(path, hashes, may_have_happened=after or not files.fired)
        if not files.fired:
            return
    pytest.fail("the commit takes more operations than this test tries")


@pytest.mark.parametrize(
    "error", [errno.ENOSPC, errno.EIO, errno.EACCES, None], ids=["ENOSPC", "EIO", "EACCES", "dies"]
)
def test_a_creation_that_fails_can_be_tried_again(ram_path: Path, error: int | None) -> None:
    for fail_at in range(1, MAX_OPERATIONS):
        path = ram_path / str(fail_at)
        files = FaultyFiles(fail_at=fail_at, error=error)
        try:
            create(path, settings={}, files=files).close()
        except (StoreError, DiskStopped):
            with create(path, settings={}) as store:
                first_commit(store)
        if not files.fired:
            return
    pytest.fail("the creation takes more operations than this test tries")


@pytest.mark.parametrize("error", [errno.EIO, None], ids=["EIO", "dies"])
def test_an_opening_whose_sweep_fails_can_be_tried_again(ram_path: Path, begun: Path, error: int | None) -> None:
    shutil.copytree(begun, ram_path / "world")
    orphan = ram_path / "world" / "blobs" / "ab" / ("ab" * 32)
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"left behind")
    with pytest.raises((StoreError, DiskStopped)):
        open_store(ram_path / "world", files=FaultyFiles(fail_at=1, error=error))
    with open_store(ram_path / "world") as store:
        assert store.fsck() == []
    assert not orphan.exists()


@contextmanager
def largest_file(byte_count: int) -> Iterator[None]:
    """The kernel itself refuses to let any file of this process grow further."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (byte_count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_kernel_that_refuses_to_grow_files_loses_nothing(
    ram_path: Path, begun: Path, hashes: tuple[str, str]
) -> None:
    refused = 0
    for limit_bytes in range(4096, 160_000, 8192):
        path = shutil.copytree(begun, ram_path / str(limit_bytes))
        with open_store(path) as store:
            try:
                with largest_file(limit_bytes):
                    second_commit(store)
            except StoreError:
                refused += 1
        check_whole(path, hashes, may_have_happened=True)
    assert refused > 5


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_says_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="make the folder writable"):
            create(tmp_path / "world", settings={})
    finally:
        tmp_path.chmod(0o700)
