"""SHA3-256 in plain Python: the reference the kernel and the native hashers are held against (FIPS 202).

The lane order, rotations and round constants are those of FIPS 202 section 3; lane (x, y) is `a[x + 5 * y]`. The
permutation is unrolled because one lane operation costs less here than the indexing around it would. It decides
nothing and knows no keys: it makes digests, at about an eighth of a millisecond for every 136 bytes on CPython.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

_RATE_BYTES: Final = 136
_MASK: Final = (1 << 64) - 1
_TWICE: Final = (1 << 64) + 1
_BLOCK_LANES: Final = Struct("<17Q")
_DIGEST_LANES: Final = Struct("<4Q")
_NO_LANES: Final = (0,) * 25
# FIPS 202 section 3.2.5, algorithm 5; a test derives them again from the shift register defined there.
_ROUND_CONSTANTS: Final = (
    0x0000000000000001, 0x0000000000008082, 0x800000000000808A, 0x8000000080008000,
    0x000000000000808B, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008A, 0x0000000000000088, 0x0000000080008009, 0x000000008000000A,
    0x000000008000808B, 0x800000000000008B, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800A, 0x800000008000000A,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
)  # fmt: skip

_Lanes = tuple[int, ...]


def sha3_256(data: bytes) -> bytes:
    """The 32-byte SHA3-256 digest of `data` (FIPS 202 section 6.1)."""
    whole = len(data) - len(data) % _RATE_BYTES
    return _squeeze(_absorb(_NO_LANES, data, whole), data[whole:])


class Sha3_256:
    """A SHA3-256 digest of data that arrives in pieces; the same digest however it is cut."""

    __slots__ = ("_lanes", "_rest")

    def __init__(self) -> None:
        self._lanes: _Lanes = _NO_LANES
        self._rest = b""

    def update(self, data: bytes) -> None:
        """Append `data` to what has been hashed so far."""
        data = self._rest + data
        whole = len(data) - len(data) % _RATE_BYTES
        self._lanes = _absorb(self._lanes, data, whole)
        self._rest = data[whole:]

    def digest(self) -> bytes:
        """The digest of everything so far; more may be appended afterwards."""
        return _squeeze(self._lanes, self._rest)


def _absorb(lanes: _Lanes, data: bytes | bytearray, end: int) -> _Lanes:
    """Take in the whole blocks of `data[:end]`."""
    for offset in range(0, end, _RATE_BYTES):
        block = _BLOCK_LANES.unpack_from(data, offset)
        lanes = _permute((*[lane ^ word for lane, word in zip(lanes, block, strict=False)], *lanes[17:]))
    return lanes


def _squeeze(lanes: _Lanes, rest: bytes) -> bytes:
    """Pad and take in the last, partial block, and read the digest (domain bits 01, then 1 0* 1: section 6.1)."""
    padded = bytearray(_RATE_BYTES)
    padded[: len(rest)] = rest
    padded[len(rest)] ^= 0x06
    padded[-1] ^= 0x80
    return _DIGEST_LANES.pack(*_absorb(lanes, padded, _RATE_BYTES)[:4])


def _permute(lanes: _Lanes) -> _Lanes:
    """Keccak-f[1600] (FIPS 202 section 3.3): theta into c and d, rho and pi into b, chi and iota back into a.

    Chi is written `b ^ c ^ (c | d)`, which equals `b ^ (~c & d)` without the slow negative integer of `~`.
    """
    # A lane times 2^64 + 1 is the lane twice over: a window of 64 bits in it is a rotation, in three operations.
    m, k = _MASK, _TWICE
    a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, *upper = lanes
    a13, a14, a15, a16, a17, a18, a19, a20, a21, a22, a23, a24 = upper
    for round_constant in _ROUND_CONSTANTS:
        c0 = a0 ^ a5 ^ a10 ^ a15 ^ a20
        c1 = a1 ^ a6 ^ a11 ^ a16 ^ a21
        c2 = a2 ^ a7 ^ a12 ^ a17 ^ a22
        c3 = a3 ^ a8 ^ a13 ^ a18 ^ a23
        c4 = a4 ^ a9 ^ a14 ^ a19 ^ a24
        d0 = c4 ^ (c1 * k >> 63 & m)
        d1 = c0 ^ (c2 * k >> 63 & m)
        d2 = c1 ^ (c3 * k >> 63 & m)
        d3 = c2 ^ (c4 * k >> 63 & m)
        d4 = c3 ^ (c0 * k >> 63 & m)
        b0 = a0 ^ d0
        b1 = (a6 ^ d1) * k >> 20 & m
        b2 = (a12 ^ d2) * k >> 21 & m
        b3 = (a18 ^ d3) * k >> 43 & m
        b4 = (a24 ^ d4) * k >> 50 & m
        b5 = (a3 ^ d3) * k >> 36 & m
        b6 = (a9 ^ d4) * k >> 44 & m
        b7 = (a10 ^ d0) * k >> 61 & m
        b8 = (a16 ^ d1) * k >> 19 & m
        b9 = (a22 ^ d2) * k >> 3 & m
        b10 = (a1 ^ d1) * k >> 63 & m
        b11 = (a7 ^ d2) * k >> 58 & m
        b12 = (a13 ^ d3) * k >> 39 & m
        b13 = (a19 ^ d4) * k >> 56 & m
        b14 = (a20 ^ d0) * k >> 46 & m
        b15 = (a4 ^ d4) * k >> 37 & m
        b16 = (a5 ^ d0) * k >> 28 & m
        b17 = (a11 ^ d1) * k >> 54 & m
        b18 = (a17 ^ d2) * k >> 49 & m
        b19 = (a23 ^ d3) * k >> 8 & m
        b20 = (a2 ^ d2) * k >> 2 & m
        b21 = (a8 ^ d3) * k >> 9 & m
        b22 = (a14 ^ d4) * k >> 25 & m
        b23 = (a15 ^ d0) * k >> 23 & m
        b24 = (a21 ^ d1) * k >> 62 & m
        a0, a1 = b0 ^ b1 ^ (b1 | b2) ^ round_constant, b1 ^ b2 ^ (b2 | b3)
        a2, a3, a4 = b2 ^ b3 ^ (b3 | b4), b3 ^ b4 ^ (b4 | b0), b4 ^ b0 ^ (b0 | b1)
        a5, a6 = b5 ^ b6 ^ (b6 | b7), b6 ^ b7 ^ (b7 | b8)
        a7, a8, a9 = b7 ^ b8 ^ (b8 | b9), b8 ^ b9 ^ (b9 | b5), b9 ^ b5 ^ (b5 | b6)
        a10, a11 = b10 ^ b11 ^ (b11 | b12), b11 ^ b12 ^ (b12 | b13)
        a12, a13, a14 = b12 ^ b13 ^ (b13 | b14), b13 ^ b14 ^ (b14 | b10), b14 ^ b10 ^ (b10 | b11)
        a15, a16 = b15 ^ b16 ^ (b16 | b17), b16 ^ b17 ^ (b17 | b18)
        a17, a18, a19 = b17 ^ b18 ^ (b18 | b19), b18 ^ b19 ^ (b19 | b15), b19 ^ b15 ^ (b15 | b16)
        a20, a21 = b20 ^ b21 ^ (b21 | b22), b21 ^ b22 ^ (b22 | b23)
        a22, a23, a24 = b22 ^ b23 ^ (b23 | b24), b23 ^ b24 ^ (b24 | b20), b24 ^ b20 ^ (b20 | b21)
    lower = (a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12)
    return (*lower, a13, a14, a15, a16, a17, a18, a19, a20, a21, a22, a23, a24)
