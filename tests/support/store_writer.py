"""A process that commits to a world until it is killed, and tells each commit once it is acknowledged.

Starting Python costs more than all a kill test does with it, so this is a server: for each line ``FOLDER SEED`` on its
standard input it forks a child, which opens the world and commits for ever. Both tell on standard output, a line
at a time: ``child PID``, ``did NUMBER HASH`` for every acknowledged commit, ``over`` when the child is gone.
"""

import os
import random
import sys
from pathlib import Path

import numpy as np

from spatia.store.folder import open_store
from support.store_samples import cloud_change


def tell(line: str) -> None:
    os.write(1, f"{line}\n".encode())  # one write, so that a kill cannot cut it


def commit_for_ever(folder: Path, seed: int) -> None:
    chance = random.Random(seed)
    with open_store(folder) as store:
        head = store.head
        assert head is not None
        pages = head.page_count
        while True:
            pages = max(1, pages + chance.randint(-1, 2)) if pages < 20 else 4
            known = head.page_count
            changed = {page for page in range(pages) if page >= known or chance.random() < 0.3}
            change = cloud_change({page: chance.getrandbits(30) for page in sorted(changed)}, page_count=pages)
            values = np.full(chance.randint(1, 30_000), chance.getrandbits(20), dtype=np.int32)
            store.append_events([(head.number, "walk", b"")] * chance.randint(0, 5))
            arrays = {"values": values} if chance.random() < 0.7 else {}
            head = store.commit("clip", {"round": head.number}, cloud=change, arrays=arrays)
            tell(f"did {head.number} {head.hash}")


def main() -> None:
    for line in sys.stdin:
        folder, seed = line.rsplit(maxsplit=1)
        child = os.fork()
        if child == 0:
            commit_for_ever(Path(folder), int(seed))
        tell(f"child {child}")
        os.waitpid(child, 0)
        tell("over")


if __name__ == "__main__":
    main()
