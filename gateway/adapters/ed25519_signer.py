"""Ed25519 signatures by `cryptography`, and the key that is kept beside the database where no setting names one."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from worker.errors import StateError
from worker.ledger_settings import SEED_DIGITS

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY_FILE = "ledger.key"
SEED_BYTES = SEED_DIGITS // 2


class Ed25519Signer:
    """`worker.ports.Signer` over the 32 bytes that a key is made from."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._is_loaded = False
        self._key: Ed25519PrivateKey | None = None

    async def load(self) -> None:
        """Look at the seed. Raises: StateError for one of another length."""
        if len(self._seed) != SEED_BYTES:
            raise StateError(f"an Ed25519 key is made from {SEED_BYTES} bytes")
        self._is_loaded = True

    def public_key(self) -> bytes:
        """The 32 bytes of the public key. Raises: StateError before `load`."""
        return self._private_key().public_key().public_bytes_raw()

    async def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature (RFC 8032). Raises: StateError before `load`."""
        return self._private_key().sign(message)

    def _private_key(self) -> Ed25519PrivateKey:
        """Made when it is first needed: no start needs it, and `cryptography` takes a while to import."""
        if not self._is_loaded:
            raise StateError("The signer has not been loaded.")
        if self._key is None:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

            self._key = Ed25519PrivateKey.from_private_bytes(self._seed)
        return self._key


def is_signed(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether a signature is that of the key over the message (`worker.ledger.export.SignatureCheck`)."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def kept_seed(state: Path) -> bytes:
    """The seed in the state folder, made there if there is none, readable by its owner alone. Raises: StateError."""
    path = state / KEY_FILE
    try:
        if not path.exists():
            _make(path)
        text = path.read_text(encoding="ascii").strip()
        seed = bytes.fromhex(text)
    except (OSError, ValueError) as problem:
        raise StateError(f"the key that signs checkpoints, {path}, can't be used: {problem}") from None
    if len(seed) != SEED_BYTES:
        raise StateError(f"the key that signs checkpoints, {path}, is not {SEED_DIGITS} hexadecimal digits")
    return seed


def _make(path: Path) -> None:
    """Write a fresh seed in one step: of several processes that start together, one is quicker and all use its key."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(SEED_BYTES) + "\n")
            file.flush()
            os.fsync(descriptor)
        try:
            os.link(partial, path)
        except FileExistsError:
            return
    finally:
        partial.unlink()
