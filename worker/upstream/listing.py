"""What a provider says it serves: the ids of GET <base>/models, read within bounds. A probe, and never a condition."""

from __future__ import annotations

from typing import Any

import httpx

from worker.errors import HarpoonError
from worker.strict_json import JsonLimits, parse_json

#: A longer list is not read: the largest there is, of hundreds of models with their prices, has half of it.
MAX_LISTING_BYTES = 2 * 1024 * 1024
MAX_LISTED = 5_000
MAX_ID_CHARACTERS = 256


async def listed_models(response: httpx.Response | None) -> frozenset[str]:
    """The ids of an answer to GET /models, which is closed whatever happens; none if it is no such list.

    Raises nothing for what a provider sends; may be cancelled.
    """
    if response is None:
        return frozenset()
    chunks, size = [], 0
    try:
        if response.status_code != 200:
            return frozenset()
        assert isinstance(response.stream, httpx.AsyncByteStream), "a Transport answers with an asynchronous stream"
        async for chunk in response.stream:
            size += len(chunk)
            if size > MAX_LISTING_BYTES:
                return frozenset()
            chunks.append(chunk)
    except httpx.TransportError:
        return frozenset()
    finally:
        await response.aclose()
    return model_ids(b"".join(chunks))


def model_ids(body: bytes) -> frozenset[str]:
    """The ids in a list of models, OpenAI's `{"data": [{"id": ...}]}`; none for a body of another form."""
    try:
        value: Any = parse_json(body, JsonLimits(max_bytes=MAX_LISTING_BYTES))
    except HarpoonError:
        return frozenset()
    listed = value.get("data") if isinstance(value, dict) else None
    if not isinstance(listed, list):
        return frozenset()
    ids = [model.get("id") for model in listed[:MAX_LISTED] if isinstance(model, dict)]
    return frozenset(one[:MAX_ID_CHARACTERS] for one in ids if isinstance(one, str))


def is_listed(served_id: str, listed: frozenset[str]) -> bool:
    """Whether a list has a model, under its id, with a folder before it, or with the tag that stands for none."""
    return (
        served_id in listed or f"{served_id}:latest" in listed or any(one.endswith(f"/{served_id}") for one in listed)
    )
