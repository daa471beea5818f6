"""Lists of models, read within bounds: what is no list says nothing."""

from __future__ import annotations

import json

import pytest

from tests.contracts.misbehaving_server import Server
from tests.worker.api.application_kit import application, http_answer
from tests.worker.api.test_health import Pool, health
from worker.upstream.listing import MAX_LISTED, MAX_LISTING_BYTES, is_listed, model_ids


def test_ids_are_read() -> None:
    assert model_ids(b'{"object":"list","data":[{"id":"a"},{"id":"b/c"},{"id":3},4,{}]}') == {"a", "b/c"}
    many = {"data": [{"id": str(number)} for number in range(MAX_LISTED + 10)]}
    assert len(model_ids(json.dumps(many).encode())) == MAX_LISTED


@pytest.mark.parametrize("body", [b"", b"nope", b"[]", b"{}", b'{"data":3}', b'{"data":[]}', b"\xff", b"[" * 10_000])
def test_what_is_no_list_says_nothing(body: bytes) -> None:
    assert model_ids(body) == frozenset()


@pytest.mark.parametrize("listed", ["m", "m:latest", "models/m", "mlx-community/m"])
def test_a_model_is_found_under_its_names(listed: str) -> None:
    assert is_listed("m", frozenset({listed}))
    assert not is_listed("n", frozenset({listed}))


async def test_health_says_which_models_a_provider_does_not_list() -> None:
    pool = Pool()
    async with Server(pool) as server:
        async with application(HOSTED_AI_BASE_URL=f"http://127.0.0.1:{server.port}/v1") as harpoon:
            told = (await health(harpoon, detailed=True))["details"]["hosted-ai"]
            assert told["not_listed"] is None, "an empty list says nothing"
            models = told["models"]
        pool.models = http_answer(200, b'{"data":[{"id":"something-else"}]}')
        async with application(HOSTED_AI_BASE_URL=f"http://127.0.0.1:{server.port}/v1") as harpoon:
            found = await health(harpoon, detailed=True)
            told = found["details"]["hosted-ai"]
    assert found["status"] == "healthy", "it is no verdict"
    assert [one.partition(" (")[0] for one in told["not_listed"]] == models
    assert found["details"]["openai"]["not_listed"] is None


async def test_a_list_without_end_is_not_waited_for() -> None:
    pool = Pool()
    pool.models = http_answer(200, b'{"data":[{"id":"' + b"x" * MAX_LISTING_BYTES + b'"}]}')
    async with Server(pool) as server, application(HOSTED_AI_BASE_URL=f"http://127.0.0.1:{server.port}/v1") as harpoon:
        told = (await health(harpoon, detailed=True))["details"]["hosted-ai"]
    assert (told["status"], told["not_listed"]) == ("up", None)
