"""Checkpoints: a log's size and root at a time, as a text that a key has signed and anybody can keep.

    harpoon-ledger/v1 acme
    1204
    5f0c...                     root, 64 lower-case hexadecimal digits
    1767225600000000            UTC microseconds since 1970

    - harpoon 2d711642b726b044 9c51...

The first four lines, each with its line feed, are what is signed (Ed25519, RFC 8032). The line after the blank one
names the key (the first 16 digits of the hex SHA3-256 of its 32 bytes) and holds the signature's 128 digits; where no
key is set it is missing. The form is strict: a text is either exactly what `to_text` writes, or no checkpoint.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from worker.errors import LedgerFault
from worker.ledger.canonical import MAX_INT

FORMAT = "harpoon-ledger/v1"
BAD_CHECKPOINT = "BAD_CHECKPOINT"
KEY_ID_DIGITS = 16
PUBLIC_KEY_BYTES, SIGNATURE_BYTES = 32, 64
_NUMBER: Final = "(0|[1-9][0-9]{0,15})"
_IS_CHECKPOINT: Final = re.compile(
    rf"harpoon-ledger/v1 ([!-~]{{1,63}})\n{_NUMBER}\n([0-9a-f]{{64}})\n{_NUMBER}\n"
    r"\n(?:- harpoon ([0-9a-f]{16}) ([0-9a-f]{128})\n)?"
).fullmatch


class Checkpoint(NamedTuple):
    """What a log was at a time. `key_id` and `signature` are empty where nobody signed it."""

    tenant: str
    size: int
    root: bytes
    at_us: int
    key_id: str = ""
    signature: bytes = b""

    @property
    def signed(self) -> bytes:
        """The bytes that a signature is over."""
        return f"{FORMAT} {self.tenant}\n{self.size}\n{self.root.hex()}\n{self.at_us}\n".encode()

    def to_text(self) -> str:
        """The whole text, a signature included."""
        signature = f"- harpoon {self.key_id} {self.signature.hex()}\n" if self.key_id else ""
        return f"{self.signed.decode()}\n{signature}"


def checkpoint_from_text(text: str) -> Checkpoint:
    """The checkpoint that `Checkpoint.to_text` wrote. Raises: LedgerFault for any other text."""
    found = _IS_CHECKPOINT(text)
    if found is None:
        raise LedgerFault(BAD_CHECKPOINT, "this is not the text of a checkpoint")
    tenant, size, root, at_us, key_id, signature = found.groups()
    if int(size) > MAX_INT or int(at_us) > MAX_INT:
        raise LedgerFault(BAD_CHECKPOINT, "a number of the checkpoint is beyond 2^53-1")
    return Checkpoint(tenant, int(size), bytes.fromhex(root), int(at_us), key_id or "", bytes.fromhex(signature or ""))


def key_id_of(sha3_256: Callable[[bytes], bytes], public_key: bytes) -> str:
    """The short name of a public key: which key, not a proof of it."""
    return sha3_256(public_key).hex()[:KEY_ID_DIGITS]
