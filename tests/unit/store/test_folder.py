import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spatia.errors import StoreError
from spatia.store.copy import copy_world
from spatia.store.folder import create, open_store
from support.store_samples import cloud_change, page_words


@pytest.fixture
def world(ram_path: Path) -> Path:
    """Three commits: two pages, one of them changed by a clip with an array, an edit of the other."""
    with create(ram_path / "world", settings={"seed": 1}, fingerprint={"numpy": "2"}) as store:
        store.append_events([(0, "start", b"")])
        store.commit("initial", {}, cloud=cloud_change({0: 1, 1: 2}, page_count=2))
        store.commit("clip", {"round": 1}, cloud=cloud_change({1: 3}, page_count=2), arrays={"depth": np.ones(50)})
        store.commit("edit", {}, cloud=cloud_change({0: 4}, page_count=2))
    return ram_path / "world"


def blobs_of(world: Path) -> list[Path]:
    return sorted(path for path in (world / "blobs").rglob("*") if path.is_file())


def pages_blob(world: Path, commit: int) -> Path:
    connection = sqlite3.connect(world / "world.sqlite")
    (sha256,) = connection.execute("SELECT pages_blob FROM commits WHERE number = ?", (commit,)).fetchone()
    connection.close()
    name = str(sha256.hex())
    return world / "blobs" / name[:2] / name


def change_database(world: Path, *statements: str) -> None:
    connection = sqlite3.connect(world / "world.sqlite")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def test_a_world_is_the_same_after_it_was_closed(world: Path) -> None:
    with open_store(world) as store:
        assert [info.kind for info in store.log()] == ["initial", "clip", "edit"]
        assert (store.settings, store.fingerprint) == ({"seed": 1}, {"numpy": "2"})
        np.testing.assert_array_equal(store.load_cloud(2).pages, [page_words(4), page_words(3)])
        np.testing.assert_array_equal(store.load_arrays(1)["depth"], np.ones(50))
        assert store.fsck() == []


def test_nothing_but_the_named_files_is_in_a_closed_world(world: Path) -> None:
    assert sorted(path.name for path in world.iterdir()) == ["blobs", "lock", "world.sqlite"]
    assert len(blobs_of(world)) == 4


def test_equal_bulk_is_kept_once(world: Path) -> None:
    with open_store(world) as store:
        store.commit("clip", {"round": 2}, arrays={"depth": np.ones(50), "other": np.ones(50)})
        np.testing.assert_array_equal(store.load_arrays(3)["other"], np.ones(50))
    assert len(blobs_of(world)) == 4


def test_a_resumed_world_ends_with_the_same_hash_as_an_uninterrupted_one(tmp_path: Path) -> None:
    with create(tmp_path / "a", settings={}) as whole, create(tmp_path / "b", settings={"other": 1}) as first_half:
        for number in range(6):
            change = cloud_change({number // 2: number}, page_count=number // 2 + 1)
            kind = "clip" if number else "initial"
            whole.commit(kind, {"round": number}, cloud=change)  # type: ignore[arg-type]
            if number < 3:
                first_half.commit(kind, {"round": number}, cloud=change)  # type: ignore[arg-type]
        assert whole.head is not None
        expected = whole.head.hash
    with open_store(tmp_path / "b") as second_half:
        for number in range(3, 6):
            change = cloud_change({number // 2: number}, page_count=number // 2 + 1)
            second_half.commit("clip", {"round": number}, cloud=change)
        assert second_half.head is not None
        assert second_half.head.hash == expected


def test_a_commit_costs_what_it_changes(tmp_path: Path) -> None:
    with create(tmp_path / "world", settings={}) as store:
        store.commit("initial", {}, cloud=cloud_change({page: page for page in range(400)}, page_count=400))
        for number in range(20):
            store.commit("edit", {}, cloud=cloud_change({number: 1000 + number}, page_count=400))
        for number in range(20):
            np.testing.assert_array_equal(store.load_cloud(20).pages[number], page_words(1000 + number))
    manifest_bytes = os.path.getsize(tmp_path / "world" / "world.sqlite")
    assert manifest_bytes < 400 * 44 + 20 * 44 + 80_000
    assert sum(path.stat().st_size for path in blobs_of(tmp_path / "world")) == 420 * 32768


def test_opening_for_writing_sweeps_what_no_commit_names_and_leaves_strangers_files(world: Path) -> None:
    folder = world / "blobs" / "ab"
    folder.mkdir(exist_ok=True)
    orphan, temporary, stranger = folder / ("ab" * 32), folder / ("ab" * 32 + ".tmp"), folder / "notes.txt"
    for path in (orphan, temporary, stranger):
        path.write_bytes(b"x")
    with open_store(world, read_only=True) as store:
        assert [problem.what for problem in store.fsck()] == ["orphan", "orphan"]
    with open_store(world) as store:
        assert store.fsck() == []
    assert [path.exists() for path in (orphan, temporary, stranger)] == [False, False, True]


def test_a_second_writer_is_told_who_the_first_is(world: Path) -> None:
    with open_store(world), pytest.raises(StoreError, match=f"written by process {os.getpid()}\n.*reading only"):
        open_store(world)
    open_store(world).close()


def test_a_writer_in_another_process_is_named(world: Path) -> None:
    holder = (
        "import fcntl, os, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX);"
        "f.write(str(os.getpid())); f.flush(); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-S", "-c", holder, str(world / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        with pytest.raises(StoreError, match=f"process {child.pid}"):
            open_store(world)
        child.communicate()
    open_store(world).close()


def test_readers_see_the_commits_of_a_living_writer(world: Path) -> None:
    with open_store(world) as writer, open_store(world, read_only=True) as reader:
        assert reader.head == writer.head
        done = writer.commit("checkpoint", {"tick": 9}, arrays={"x": np.arange(3)})
        assert reader.head == done
        np.testing.assert_array_equal(reader.load_arrays(3)["x"], np.arange(3))
        with pytest.raises(StoreError, match="for reading only"):
            reader.commit("edit", {})
        with pytest.raises(StoreError, match="for reading only"):
            reader.append_events([(0, "a", b"")])


def test_reading_changes_no_byte(world: Path) -> None:
    before = {path: path.read_bytes() for path in world.rglob("*") if path.is_file()}
    with open_store(world, read_only=True) as store:
        list(store.log())
        store.load_cloud(2)
    assert {path: path.read_bytes() for path in before} == before


def test_closing_twice_is_harmless(world: Path) -> None:
    store = open_store(world)
    store.close()
    store.close()


@pytest.mark.parametrize("content", [None, b"", b"not a database at all, but long enough to be taken for a header" * 9])
def test_a_folder_that_is_no_world_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "world.sqlite").write_bytes(content)
    with pytest.raises(StoreError, match=r"not a world|not a database"):
        open_store(tmp_path)


def test_another_programs_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    change_database(tmp_path, "CREATE TABLE t (x)", "INSERT INTO t VALUES (1)")
    before = (tmp_path / "world.sqlite").read_bytes()
    with pytest.raises(StoreError, match="application id"):
        open_store(tmp_path)
    assert (tmp_path / "world.sqlite").read_bytes() == before


def test_a_newer_format_is_refused_with_the_way_out(world: Path) -> None:
    change_database(world, "PRAGMA user_version = 2")
    with pytest.raises(StoreError, match=r"format 2; this version reads up to format 1\n  fix: update"):
        open_store(world)


def test_a_database_with_a_trigger_is_refused(world: Path) -> None:
    change_database(world, "CREATE TRIGGER t AFTER INSERT ON commits BEGIN DELETE FROM commits; END")
    with pytest.raises(StoreError, match="tables are not those"):
        open_store(world)


def test_a_world_is_not_made_where_something_is(world: Path) -> None:
    with pytest.raises(StoreError, match="already there"):
        create(world, settings={})
    with pytest.raises(StoreError, match="already holds 'world'"):
        create(world.parent, settings={})
    with pytest.raises(StoreError, match="cannot be created"):
        create(world / "lock", settings={})


def test_a_world_with_a_missing_blob_opens_read_only_and_says_which_commit_lost_it(world: Path) -> None:
    pages_blob(world, 1).unlink()
    with open_store(world) as store:
        assert store.read_only
        assert [(problem.commit, problem.kind) for problem in store.damage] == [(1, "clip")]
        with pytest.raises(StoreError, match=r"read-only, because it is damaged: .*commit 1, clip"):
            store.commit("edit", {})
        np.testing.assert_array_equal(store.load_cloud(0).pages, [page_words(1), page_words(2)])
        with pytest.raises(StoreError, match=r"pages of commit 1 \(clip\)"):
            store.load_cloud(2)
        saved = store.load_cloud(2, salvage=True)
        assert saved.lost_pages == (1,)
        np.testing.assert_array_equal(saved.pages, [page_words(4), np.zeros((8, 1024))])
        (problem,) = store.fsck()
        assert (problem.what, problem.commit, problem.affected) == ("damaged pages", 1, (1, 2))


def test_a_flipped_bit_in_a_page_is_found_and_salvaged_around(world: Path) -> None:
    flip(pages_blob(world, 0), 32768 + 5)
    with open_store(world) as store:
        assert not store.read_only
        with pytest.raises(StoreError, match=r"pages of commit 0 \(initial\): damaged blob: page 1"):
            store.load_cloud(0)
        assert store.load_cloud(0, salvage=True).lost_pages == (1,)
        assert store.load_cloud(2).lost_pages == ()
        (problem,) = store.fsck()
        assert "written by commit 0, initial" in str(problem)
        assert problem.affected == (0,)


def test_a_flipped_bit_in_an_array_is_found_and_names_its_clip(world: Path) -> None:
    (blob,) = [path for path in blobs_of(world) if path.stat().st_size < 32768]
    flip(blob, 40)
    with open_store(world) as store:
        with pytest.raises(StoreError, match=r"array depth of commit 1 \(clip\): damaged blob"):
            store.load_arrays(1)
        (problem,) = store.fsck()
        assert (problem.what, problem.commit, problem.kind, problem.affected) == ("damaged array", 1, "clip", (1,))


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE commits SET payload = x'80' WHERE number = 1", "damaged commit"),
        ("UPDATE commits SET kind = 'edit' WHERE number = 1", "damaged commit"),
        ("UPDATE commits SET hash = zeroblob(32) WHERE number = 1", "damaged commit"),
        ("UPDATE arrays SET digest = zeroblob(32)", "damaged commit"),
        ("UPDATE events SET tick = 5", "damaged events"),
        ("DELETE FROM events", "damaged events"),
        ("UPDATE commits SET manifest = zeroblob(44) WHERE number = 1", "damaged commit"),
        ("UPDATE commits SET manifest = zeroblob(43) WHERE number = 1", "damaged database"),
        ("UPDATE commits SET row_count = 1099511627776 WHERE number = 1", "damaged database"),
        ("DELETE FROM commits WHERE number = 1", "damaged database"),
        ("DELETE FROM blobs", "damaged database"),
    ],
)
def test_a_changed_database_is_found_by_fsck(world: Path, statement: str, what: str) -> None:
    change_database(world, statement)
    with open_store(world, read_only=True) as store:
        assert what in [problem.what for problem in store.fsck()]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE blobs SET sha256 = zeroblob(32) WHERE rowid = 1",
        "DELETE FROM commits WHERE number = 2",
        "DELETE FROM arrays",
        "UPDATE commits SET pages_blob = NULL WHERE number = 1",
    ],
)
def test_a_damaged_database_never_costs_a_blob(world: Path, statement: str) -> None:
    before = blobs_of(world)
    change_database(world, statement)
    with open_store(world) as store:
        assert store.read_only
        with pytest.raises(StoreError, match="read-only, because it is damaged"):
            store.commit("edit", {})
    assert blobs_of(world) == before


def test_a_cloud_over_the_bound_is_refused_before_it_is_allocated(world: Path) -> None:
    with (
        open_store(world, read_only=True, max_load_bytes=65535) as store,
        pytest.raises(StoreError, match="takes 65536 bytes; at most 65535"),
    ):
        store.load_cloud(0)


def test_a_damaged_database_gives_store_errors_only_and_costs_no_blob(world: Path) -> None:
    original, blobs = (world / "world.sqlite").read_bytes(), blobs_of(world)
    rng = np.random.default_rng(11)
    opened = 0
    for number in range(400):
        mutant = bytearray(original)
        for _ in range(int(rng.integers(1, 6))):
            mutant[int(rng.integers(len(mutant)))] = int(rng.integers(256))
        if rng.random() < 0.1:
            del mutant[int(rng.integers(len(mutant))) :]
        (world / "world.sqlite").write_bytes(mutant)
        try:
            with open_store(world, read_only=number % 2 == 0) as store:
                store.fsck()
                list(store.events())
                for info in store.log():
                    store.load_cloud(info.number, salvage=True)
                    store.load_arrays(info.number)
            opened += 1
        except StoreError:
            pass
        for log in ("world.sqlite-wal", "world.sqlite-shm"):
            (world / log).unlink(missing_ok=True)
    assert opened > 20
    assert blobs_of(world) == blobs


def test_a_copy_has_the_journal_of_the_original(world: Path, tmp_path: Path) -> None:
    with open_store(world) as store:
        store.append_events([(3, "order", b"\x01"), (4, "order", b"\x02")])
        store.commit("edit", {}, cloud=cloud_change({0: 5}, page_count=2))
        with create(tmp_path / "copy", settings={}) as copied:
            copy_world(store, copied)
            assert list(copied.events()) == list(store.events())
            assert list(copied.log()) == list(store.log())
        assert {event.commit for event in store.events()} == {0, 3}
