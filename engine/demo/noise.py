"""Reproducible random numbers: they depend on a key and a position alone."""

from __future__ import annotations

from enum import IntEnum
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Key = NDArray[np.uint64]

_MEAN = 2 * 65535.0
_DEVIATION = (4 * (65536.0**2 - 1) / 12) ** 0.5


class Purpose(IntEnum):
    """What random words are drawn for; each purpose has a stream of its own."""

    PATH = 0
    LOTS = 1
    PACE = 2
    BOOK = 3
    FORWARD = 4
    BACKWARD = 5
    BASIS = 6
    INTEREST = 7


def key(*names: object) -> Key:
    """Return the key that belongs to `names`."""
    digest = blake2b("\0".join(map(str, names)).encode(), digest_size=16).digest()
    return np.frombuffer(digest, dtype="<u8").astype(np.uint64)


def bits(chance: Key, purpose: Purpose, position: int, count: int) -> NDArray[np.uint64]:
    """Return `count` random 64-bit words of `chance` for a purpose and a position ≥ 0 (a day, a minute …).

    Philox's raw stream is part of numpy's promise of stability; its distributions are not, hence `normal`.
    """
    counter = np.array([0, purpose, position, 0], dtype=np.uint64)
    return np.random.Philox(counter=counter, key=chance).random_raw(count)


def normal(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return one nearly normal number (mean 0, deviation 1, within ±3.5) per word: its four quarters' sum."""
    quarters = words.view(np.uint16).reshape(4, -1).astype(np.int32)
    numbers: NDArray[np.float64] = (quarters.sum(axis=0) - _MEAN) / _DEVIATION
    return numbers


def uniform(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return one number in [0, 1) per word."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53
