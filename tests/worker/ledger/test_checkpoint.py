"""Checkpoints: one text, its inverse, a signature by a published key, and every text that is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.ed25519_signer import is_signed
from tests.worker.ledger.log_kit import PUBLIC_KEY, SHA3, signed
from worker.errors import LedgerFault
from worker.ledger.checkpoint import Checkpoint, checkpoint_from_text, key_id_of

BARE = Checkpoint("acme", 1204, bytes(range(32)), 1_767_225_600_000_000)
GOLDEN = (
    "harpoon-ledger/v1 acme\n"
    "1204\n"
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
    "1767225600000000\n"
    "\n"
)


async def test_the_text_is_golden_and_so_is_its_signature() -> None:
    assert BARE.to_text() == GOLDEN
    found = await signed(BARE)
    assert found.to_text() == GOLDEN + (
        "- harpoon 054f341a2fa584bb "
        "3f6775f3bc2db8e75f25ac095760f1fe32acaee6589aa327140f060c2f5ad669"
        "a8cb8a32dd253a0125f42afad0112700ebfe38147a280c14bad681377e444808\n"
    )
    assert found.key_id == key_id_of(SHA3.sha3_256, PUBLIC_KEY)
    assert is_signed(PUBLIC_KEY, GOLDEN[:-1].encode(), found.signature)


async def test_a_signature_is_of_every_byte_and_of_one_key() -> None:
    found = await signed(BARE)
    for at in range(len(found.signed)):
        other = found.signed[:at] + bytes([found.signed[at] ^ 1]) + found.signed[at + 1 :]
        assert not is_signed(PUBLIC_KEY, other, found.signature)
    assert not is_signed(bytes(32), found.signed, found.signature)
    for key, signature in ((b"", found.signature), (PUBLIC_KEY, b""), (PUBLIC_KEY, found.signature[:-1])):
        assert not is_signed(key, found.signed, signature)


@given(
    st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=63),
    st.integers(0, 2**53 - 1),
    st.binary(min_size=32, max_size=32),
    st.integers(0, 2**53 - 1),
    st.booleans(),
)
def test_what_is_written_is_read_back(tenant: str, size: int, root: bytes, at_us: int, is_signed: bool) -> None:
    checkpoint = Checkpoint(tenant, size, root, at_us)
    if is_signed:
        checkpoint = checkpoint._replace(key_id="0123456789abcdef", signature=root + root)
    assert checkpoint_from_text(checkpoint.to_text()) == checkpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        GOLDEN[:-1],
        GOLDEN[:-2],
        GOLDEN + "\n",
        GOLDEN + "- harpoon \n",
        GOLDEN + "- harpoon 0123456789abcdef " + "0" * 127 + "\n",
        GOLDEN + "- harpoon 0123456789abcdef " + "0" * 128,
        GOLDEN + "- harpoon 0123456789abcdef " + "0" * 128 + "\n" * 2,
        GOLDEN + "- harpoon 0123456789ABCDEF " + "0" * 128 + "\n",
        GOLDEN + ("- harpoon 0123456789abcdef " + "0" * 128 + "\n") * 2,
        GOLDEN.replace("v1", "v2"),
        GOLDEN.replace("acme", ""),
        GOLDEN.replace("acme", "a" * 64),
        GOLDEN.replace("acme", "ac me"),
        GOLDEN.replace("acme", "ac\nme"),
        GOLDEN.replace("1204", "01204"),
        GOLDEN.replace("1204", "-1204"),
        GOLDEN.replace("1204", "1204.0"),
        GOLDEN.replace("1204", "+1204"),
        GOLDEN.replace("1204", " 1204"),
        GOLDEN.replace("1204", "١٢٠٤"),
        GOLDEN.replace("1204", "9999999999999999"),
        GOLDEN.replace("1204", "99999999999999999"),
        GOLDEN.replace("1767225600000000", "9999999999999999"),
        GOLDEN.replace("1e1f", "1E1F"),
        GOLDEN.replace("1e1f", "1e1"),
        GOLDEN.replace("\n", "\r\n"),
        GOLDEN.replace("\n\n", "\n"),
        "\ufeff" + GOLDEN,
    ],
)
def test_any_other_text_is_no_checkpoint(text: str) -> None:
    with pytest.raises(LedgerFault) as caught:
        checkpoint_from_text(text)
    assert caught.value.reason == "BAD_CHECKPOINT"
