"""Damaged copies of good files, the same ones in every run."""

from collections.abc import Iterator

import numpy as np

TOKENS = (
    b"\n", b" ", b":", b"- ", b"[", b"]", b"{", b"}", b"&a ", b"*a", b"<<: ", b"!!python/object:os.system ", b"'", b'"',
    b"0", b"-1", b"1e999", b".nan", b".inf", b"9" * 400, b"0b1", b"true", b"null", b"\x00", b"\xff", b"\t", b"# ", b"|",
)  # fmt: skip


def mutants(seed_corpus: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    """`count` files, each made from one of the corpus by one to three small damages."""
    chance = np.random.default_rng(seed)
    for _ in range(count):
        data = bytearray(seed_corpus[int(chance.integers(len(seed_corpus)))])
        for _ in range(int(chance.integers(1, 4))):
            _damage(data, seed_corpus, chance)
        yield bytes(data)


def _damage(data: bytearray, corpus: list[bytes], chance: np.random.Generator) -> None:
    at = int(chance.integers(len(data) + 1))
    span = slice(at, at + int(chance.integers(1, 40)))
    match int(chance.integers(6)):
        case 0:
            data[at : at + 1] = bytes([int(chance.integers(256))])
        case 1:
            data[at:at] = TOKENS[int(chance.integers(len(TOKENS)))]
        case 2:
            del data[span]
        case 3:
            data[at:at] = data[span]
        case 4:
            other = corpus[int(chance.integers(len(corpus)))]
            start = int(chance.integers(len(other)))
            data[span] = other[start : start + int(chance.integers(1, 60))]
        case _:
            del data[at + int(chance.integers(1, 200)) :]
