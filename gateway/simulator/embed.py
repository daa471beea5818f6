"""Decides the OpenAI answer to an embeddings request: hashed bags of words, of unit length. No model is here.

Each word adds one, with a sign, at a place its SHA-256 tells; so texts that share words are near each other, and the
same text has the same vector everywhere. Source: OpenAI's CreateEmbeddingRequest and CreateEmbeddingResponse.
"""

from __future__ import annotations

import base64
import hashlib
import math
import struct
from collections.abc import Collection, Mapping, Sequence

from gateway.simulator.chat import MODEL_SUFFIX
from gateway.simulator.request import JsonObject, read_integer
from gateway.simulator.sentence import fold, words
from gateway.simulator.tokens import count_tokens
from worker.errors import MalformedRequest, UnknownModel

#: The models that embed; the others chat.
EMBEDDING_MODELS = frozenset({"hashed-words-256"})
DIMENSIONS = 256
MOST_INPUTS = 2_048


def embed(body: Mapping[str, object], models: Collection[str]) -> JsonObject:
    """The list of embeddings that `body` asks for. Raises: MalformedRequest, UnknownModel."""
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise MalformedRequest("`model` has to be a string.", param="model")
    if model not in models or model not in EMBEDDING_MODELS:
        raise UnknownModel("The simulator embeds with no such model.", param="model")
    dimensions = read_integer(body, "dimensions", 1, DIMENSIONS) or DIMENSIONS
    form = body.get("encoding_format", "float")
    if form not in ("float", "base64"):
        raise MalformedRequest("`encoding_format` has to be float or base64.", param="encoding_format")
    inputs = _read_inputs(body.get("input"))
    data = []
    for index, given in enumerate(inputs):
        vector = vector_of(_words_of(given), dimensions)
        data.append(
            {"object": "embedding", "index": index, "embedding": _packed(vector) if form == "base64" else vector}
        )
    tokens = sum(count_tokens(given) if isinstance(given, str) else len(given) for given in inputs)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": model + MODEL_SUFFIX, "usage": usage}


def vector_of(found: Sequence[str], dimensions: int) -> list[float]:
    """The unit vector of a bag of words; of no words at all, that of the empty word."""
    counts = [0] * dimensions
    for word in found or [""]:
        digest = hashlib.sha256(word.encode("utf-8", "replace")).digest()
        counts[int.from_bytes(digest[:4], "big") % dimensions] += 1 if digest[4] & 1 else -1
    length = math.sqrt(sum(count * count for count in counts))
    if not length:
        counts[0], length = 1, 1.0  # words that cancelled each other
    return [count / length for count in counts]


def _packed(vector: Sequence[float]) -> str:
    """OpenAI's base64 form: 32-bit floats, little-endian."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")


def _words_of(given: str | list[int]) -> list[str]:
    return words(fold(given)) if isinstance(given, str) else [str(token) for token in given]


def _read_inputs(value: object) -> list[str | list[int]]:
    if isinstance(value, str) and value:
        return [value]
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_INPUTS:
        raise MalformedRequest("`input` has to be a string or a non-empty array.", param="input")
    if _are_tokens(value):
        return [value]
    for item in value:
        if not (isinstance(item, str) and item) and not (isinstance(item, list) and item and _are_tokens(item)):
            raise MalformedRequest("`input` may hold only non-empty strings, or arrays of tokens.", param="input")
    return value


def _are_tokens(value: list[object]) -> bool:
    return all(isinstance(item, int) and not isinstance(item, bool) and item >= 0 for item in value)
