"""Every Signer of this host signs as RFC 8032 says (section 7.1's vectors); tests/edge asks the edge's."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.adapters.ed25519_signer import KEY_FILE, Ed25519Signer, is_signed, kept_seed
from worker.errors import StateError

#: Secret key, public key, message, signature: tests 1 to 3.
VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655"
        "141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00"
        "d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc02"
        "7beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("seed", "public", "message", "signature"), VECTORS, ids=("one", "two", "three"))
async def test_published_vectors(seed: str, public: str, message: str, signature: str) -> None:
    signer = Ed25519Signer(bytes.fromhex(seed))
    await signer.load()
    await signer.load()
    assert signer.public_key().hex() == public
    assert (await signer.sign(bytes.fromhex(message))).hex() == signature
    assert is_signed(bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature))
    assert not is_signed(bytes.fromhex(public), bytes.fromhex(message) + b"x", bytes.fromhex(signature))


async def test_before_it_is_loaded_it_refuses() -> None:
    signer = Ed25519Signer(bytes(32))
    with pytest.raises(StateError):
        signer.public_key()
    with pytest.raises(StateError):
        await signer.sign(b"")
    with pytest.raises(StateError):
        await Ed25519Signer(bytes(31)).load()


def test_the_key_in_a_state_folder_is_made_once_and_is_its_owner_s_alone(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        seeds = set(pool.map(kept_seed, [tmp_path] * 32))
    assert len(seeds) == 1
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert kept_seed(tmp_path) in seeds


@pytest.mark.parametrize("text", ["", "00", "zz" * 32, "00" * 33, "\xff" * 64])
def test_a_damaged_key_is_not_replaced_in_silence(tmp_path: Path, text: str) -> None:
    (tmp_path / KEY_FILE).write_text(text, encoding="latin-1")
    with pytest.raises(StateError, match=KEY_FILE):
        kept_seed(tmp_path)
