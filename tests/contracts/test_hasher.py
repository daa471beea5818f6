"""Every Hasher of this host computes SHA3-256 as FIPS 202 defines it, and all of them agree."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.host import PureHasher, PySha3Hasher
from gateway.adapters.wasmtime_kernel import KernelHasher
from tests.kernel_build import built_kernel
from worker.errors import StateError
from worker.ports import Hasher

HASHERS = [PySha3Hasher, PureHasher, KernelHasher]
# NIST's example values for SHA3-256, and the empty message.
VECTORS = [
    (b"", "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a"),
    (b"abc", "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
    (
        b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "41c0dba2a9d6240849100376a8235e2c82e1b9998a999e21db32dd97496d3376",
    ),
    (b"\xa3" * 200, "79f38adec5c20307a98ef76e8324afbfd46cfd81b22e3973c65fa1bd9de31787"),
]


@pytest.fixture(params=HASHERS, ids=lambda hasher: hasher.__name__)
async def hasher(request: pytest.FixtureRequest) -> Hasher:
    built_kernel()
    hasher: Hasher = request.param()
    await hasher.load()
    return hasher


@pytest.mark.parametrize(("message", "digest"), VECTORS, ids=lambda value: str(len(value)))
async def test_known_answers(hasher: Hasher, message: bytes, digest: str) -> None:
    assert hasher.sha3_256(message).hex() == digest


async def test_loading_again_is_harmless(hasher: Hasher) -> None:
    before = hasher.sha3_256(b"same")
    await hasher.load()
    assert hasher.sha3_256(b"same") == before


@pytest.mark.parametrize("kind", HASHERS)
def test_hashing_before_loading_is_refused(kind: type[PySha3Hasher] | type[PureHasher] | type[KernelHasher]) -> None:
    with pytest.raises(StateError, match="loaded"):
        kind().sha3_256(b"")


async def loaded() -> tuple[Hasher, Hasher, Hasher]:
    built_kernel()
    fast, pure, kernel = PySha3Hasher(), PureHasher(), KernelHasher()
    for hasher in (fast, pure, kernel):
        await hasher.load()
    return fast, pure, kernel


async def test_every_length_across_four_block_edges(hasher: Hasher) -> None:
    story = bytes(index * 7 % 251 for index in range(4 * 136 + 3))
    edges = [136 * block + by for block in range(1, 5) for by in range(-3, 4) if 136 * block + by <= len(story)]
    for length in [*range(140), *edges]:
        assert hasher.sha3_256(story[:length]) == hashlib.sha3_256(story[:length]).digest(), length


async def test_a_megabyte(hasher: Hasher) -> None:
    message = bytes(index * 37 % 251 for index in range(1_000_000))
    assert hasher.sha3_256(message) == hashlib.sha3_256(message).digest()


async def test_a_monte_carlo_chain(hasher: Hasher) -> None:
    """The chain of NIST's SHA3VS section 6.2.3, from a seed of our own: each digest is the next message."""
    ours = expected = hashlib.sha256(b"seed").digest()
    for _ in range(2_000):
        ours, expected = hasher.sha3_256(ours), hashlib.sha3_256(expected).digest()
    assert ours == expected


async def test_hashers_agree_at_every_length_around_the_block_size() -> None:
    fast, pure, kernel = await loaded()
    for length in [*range(140), *range(268, 276), 1000]:
        message = bytes(index % 251 for index in range(length))
        assert fast.sha3_256(message) == pure.sha3_256(message) == kernel.sha3_256(message)


async def test_hashers_agree() -> None:
    fast, pure, kernel = await loaded()

    @given(st.binary(max_size=600))
    def agree(message: bytes) -> None:
        digest = fast.sha3_256(message)
        assert digest == pure.sha3_256(message) == kernel.sha3_256(message)
        assert len(digest) == 32

    agree()
