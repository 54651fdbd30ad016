"""A world survives 200 times ``kill -9`` of the process that is writing it."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spatia.store.folder import create, open_store
from support.store_samples import cloud_change

KILLS = 200
TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture
def server() -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent / "runtime")])}
    command = [sys.executable, "-m", "support.store_writer"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        yield process
        process.communicate()


def acknowledged_until_killed(server: subprocess.Popen[bytes], folder: Path, chance: random.Random) -> dict[int, str]:
    """Let a child write to the world, kill it at some moment of its life; the hash of every commit that it told."""
    told, orders = server.stdout, server.stdin
    assert told is not None and orders is not None
    orders.write(f"{folder} {chance.getrandbits(30)}\n".encode())
    orders.flush()
    done: dict[int, str] = {}
    child: int | None = None
    wanted = chance.randint(0, 3)
    while (line := told.readline()) != b"over\n":
        word, number, *digest = line.decode().split()
        if word == "child":
            child = int(number)
        else:
            done[int(number)] = digest[0]
        if child is not None and len(done) >= wanted:
            # Not a sleep: part of the time that a commit takes, so that the kill falls anywhere within one.
            for _ in range(chance.randint(0, 200_000)):
                pass
            os.kill(child, signal.SIGKILL)
            child, wanted = None, KILLS
    return done


def blob_names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "blobs").rglob("*") if path.is_file())


def named_blobs(folder: Path) -> list[str]:
    connection = sqlite3.connect(f"{(folder / 'world.sqlite').as_uri()}?mode=ro", uri=True)
    names = [sha256.hex() for (sha256,) in connection.execute("SELECT sha256 FROM blobs ORDER BY sha256")]
    connection.close()
    return names


def test_200_kills_leave_200_worlds_at_their_last_commit(tmp_path: Path, server: subprocess.Popen[bytes]) -> None:
    chance = random.Random(20)
    folder = tmp_path / "world"
    with create(folder, settings={}) as store:
        head = store.commit("initial", {}, cloud=cloud_change({0: 0}, page_count=1))
    told = {0: head.hash}
    for kill in range(KILLS):
        acknowledged = {head.number: head.hash} | acknowledged_until_killed(server, folder, chance)
        told |= acknowledged
        last = max(acknowledged)
        with open_store(folder) as store:
            found = store.head
            assert found is not None
            assert last <= found.number <= last + 1
            assert acknowledged[last] == (found.hash if found.number == last else found.parent)
            assert store.damage == ()
            assert blob_names(folder) == named_blobs(folder)
            store.load_cloud(found.number)
            store.load_arrays(found.number)
            if kill % 20 == 19:
                assert store.fsck() == []
        head = found
    assert head.number > KILLS
    with open_store(folder, read_only=True) as store:
        assert told.items() <= {info.number: info.hash for info in store.log()}.items()
