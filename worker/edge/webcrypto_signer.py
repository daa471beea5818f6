"""Ed25519 signatures by the runtime's WebCrypto.

WebCrypto takes a private key only wrapped (PKCS #8, RFC 8410): the wrapping of an Ed25519 seed is sixteen bytes that
are always the same. The public key is read back from the key's JSON Web Key (RFC 8037).
"""

from __future__ import annotations

import base64
import json
from typing import Any

import js
from pyodide.ffi import JsException, to_js

from worker.errors import StateError

_PKCS8 = bytes.fromhex("302e020100300506032b657004220420")
_ALGORITHM = "Ed25519"


class WebCryptoSigner:
    """`worker.ports.Signer` over the 32 bytes that a key is made from; usable inside handlers only."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._key: Any = None
        self._public_key = b""

    async def load(self) -> None:
        """Make the key ready. Raises: StateError when the runtime refuses it."""
        subtle = js.crypto.subtle
        wrapped = to_js(_PKCS8 + self._seed)
        algorithm = js.JSON.parse(json.dumps({"name": _ALGORITHM}))
        try:
            key = await subtle.importKey("pkcs8", wrapped, algorithm, True, to_js(["sign"]))
            jwk = await subtle.exportKey("jwk", key)
        except JsException as exc:
            raise StateError("the runtime can't use the key that signs checkpoints") from exc
        self._public_key = base64.urlsafe_b64decode(f"{jwk.x}=")
        self._key = key

    def public_key(self) -> bytes:
        """The 32 bytes of the public key. Raises: StateError before `load`."""
        if not self._public_key:
            raise StateError("the signer was not loaded")
        return self._public_key

    async def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature (RFC 8032). Raises: StateError before `load`, or when the runtime refuses."""
        if self._key is None:
            raise StateError("the signer was not loaded")
        try:
            signature = await js.crypto.subtle.sign(_ALGORITHM, self._key, to_js(message))
        except JsException as exc:
            raise StateError("the runtime could not sign a checkpoint") from exc
        return bytes(js.Uint8Array.new(signature).to_py())
