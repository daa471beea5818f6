"""The edge adapters at work in real workerd, under real `wrangler dev`.

Where order is the point (nothing buffered, a departure noticed), the test and the Worker go hand in hand: the next
piece is sent only after the last one has arrived. No test measures time; the waits only bound a failure.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import re
from typing import Any

import httpx
import pytest

from tests.contracts import database_contract, spool_contract
from tests.edge.harness import EdgeWorker
from tests.edge.held_upstream import HEAD, held_upstream

FAILURE_BOUND_S = 60


async def request(worker: EdgeWorker, method: str, path: str, **options: Any) -> httpx.Response:
    async with httpx.AsyncClient(base_url=worker.url, timeout=FAILURE_BOUND_S) as client:
        return await client.request(method, path, **options)


async def count(worker: EdgeWorker, counter: str) -> int:
    """The value of a counter in the Durable Object."""
    answer = await request(worker, "POST", "/object/read", json={"counter": counter})
    value: int = answer.json()["value"]
    return value


async def until_counted(worker: EdgeWorker, counter: str, value: int) -> None:
    async with asyncio.timeout(FAILURE_BOUND_S):
        while await count(worker, counter) < value:  # noqa: ASYNC110  (the event happens in another process)
            await asyncio.sleep(0.05)


async def tell(worker: EdgeWorker, story: str, tenant: str = "proof") -> Any:
    answer = await request(worker, "POST", f"/object/advance?tenant={tenant}", json={"story": story})
    assert answer.status_code == 200, answer.text
    return answer.json()


# Requests and plain answers


async def test_a_request_reaches_the_application_whole(proof_worker: EdgeWorker) -> None:
    body = bytes(range(256)) * 300
    answer = await request(
        proof_worker, "POST", "/describe/a%2Fb%20c?x=1&y=%20", content=body, headers={"X-Proof": "grün".encode()}
    )
    assert answer.status_code == 201
    assert answer.headers["x-answer"] == "yes"
    assert answer.json() == {
        "method": "POST",
        "path": "/describe/a/b c",
        "raw_path": "/describe/a%2Fb%20c",
        "query": "x=1&y=%20",
        "scheme": "http",
        "server": ["127.0.0.1", proof_worker.port],
        "header": "grün".encode().decode("latin-1"),
        "body_bytes": len(body),
        "body_sha256": hashlib.sha256(body).hexdigest(),
        "variable": "a b:c",
    }


async def test_an_answer_without_a_body_keeps_each_cookie(proof_worker: EdgeWorker) -> None:
    answer = await request(proof_worker, "GET", "/cookies")
    assert (answer.status_code, answer.content) == (204, b"")
    assert [value.partition(";")[0] for value in answer.headers.get_list("set-cookie")] == ["a=1", "b=2"]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("length", "status"), [(0, 201), (100_000, 201), (100_001, 413), (300_000, 413)])
async def test_a_body_longer_than_the_limit_is_refused(
    proof_worker: EdgeWorker, length: int, status: int, chunked: bool
) -> None:
    async def pieces() -> Any:
        for start in range(0, length, 30_000):
            yield bytes(min(30_000, length - start))

    answer = await request(proof_worker, "POST", "/describe/", content=pieces() if chunked else bytes(length))
    assert answer.status_code == status
    if status == 413:
        assert answer.json() == {
            "error": {
                "message": "The request body is longer than 100000 bytes.",
                "type": "invalid_request_error",
                "param": None,
                "code": "request_too_large",
            }
        }
    else:
        assert answer.json()["body_bytes"] == length


async def test_a_much_longer_body_is_refused_or_cut_off(proof_worker: EdgeWorker) -> None:
    try:
        status = (await request(proof_worker, "POST", "/describe/", content=bytes(20_000_000))).status_code
    except httpx.TransportError:  # nobody reads the rest, so the connection may end before the answer is read
        status = 413
    assert status == 413


async def test_a_fault_of_the_application_tells_the_client_nothing(proof_worker: EdgeWorker) -> None:
    answer = await request(proof_worker, "GET", "/fail")
    assert answer.status_code == 500
    assert "secret" not in answer.text


async def test_work_after_the_last_byte_completes(proof_worker: EdgeWorker) -> None:
    before = await count(proof_worker, "afterwards")
    assert (await request(proof_worker, "GET", "/afterwards")).content == b"answer"
    await until_counted(proof_worker, "afterwards", before + 1)


# Streams


async def test_a_paced_stream_arrives_in_the_application_s_pieces(proof_worker: EdgeWorker) -> None:
    async with (
        httpx.AsyncClient(timeout=FAILURE_BOUND_S) as client,
        client.stream("GET", f"{proof_worker.url}/paced") as answer,
    ):
        pieces = [piece async for piece in answer.aiter_raw()]
    assert pieces == [b"0;", b"1;", b"2;", b"3;", b"4;"]


async def test_nothing_of_an_upstream_s_stream_is_held_back(proof_worker: EdgeWorker) -> None:
    async with held_upstream() as upstream, httpx.AsyncClient(timeout=FAILURE_BOUND_S) as client:
        url = f"{proof_worker.url}/through?url={upstream.url}"
        sending = asyncio.create_task(client.send(client.build_request("GET", url), stream=True))
        held = await upstream.accept()
        await held.send(HEAD)
        await held.send_chunk(b"first")
        answer = await sending
        arriving = answer.aiter_raw()
        assert await anext(arriving) == b"first"
        for index in range(20):
            await held.send_chunk(b"piece %d" % index)
            assert await anext(arriving) == b"piece %d" % index
        await held.send_chunk(b"")
        assert [piece async for piece in arriving] == []


async def test_a_client_that_leaves_is_noticed_and_accounted_for(proof_worker: EdgeWorker) -> None:
    before = await count(proof_worker, "left")
    async with (
        httpx.AsyncClient(timeout=FAILURE_BOUND_S) as client,
        client.stream("GET", f"{proof_worker.url}/endless") as answer,
    ):
        assert await anext(answer.aiter_raw()) == b"tick\n"
    await until_counted(proof_worker, "left", before + 1)


async def test_a_client_that_leaves_ends_the_upstream_s_work(proof_worker: EdgeWorker) -> None:
    async with held_upstream() as upstream, httpx.AsyncClient(timeout=FAILURE_BOUND_S) as client:
        url = f"{proof_worker.url}/through?url={upstream.url}"
        sending = asyncio.create_task(client.send(client.build_request("GET", url), stream=True))
        held = await upstream.accept()
        await held.send(HEAD)
        await held.send_chunk(b"first")
        await (await sending).aclose()

        async def keep_sending() -> None:
            while True:
                await held.send_chunk(b"more")
                await asyncio.sleep(0.02)

        more = asyncio.create_task(keep_sending())
        async with asyncio.timeout(FAILURE_BOUND_S):
            await held.wait_closed_by_peer()
        more.cancel()
        await asyncio.wait({more})


async def test_a_client_that_does_not_read_holds_the_application_back(proof_worker: EdgeWorker) -> None:
    async with (
        httpx.AsyncClient(timeout=FAILURE_BOUND_S) as client,
        client.stream("GET", f"{proof_worker.url}/unread") as answer,
    ):
        assert answer.status_code == 200
        taken, before = await count(proof_worker, "taken"), -1
        while taken != before:  # until the pipes in between are full
            await asyncio.sleep(0.5)
            taken, before = await count(proof_worker, "taken"), taken
        assert 0 < taken < 100
    await until_counted(proof_worker, "unread ended", 1)


async def test_a_fault_in_mid_stream_breaks_the_body(proof_worker: EdgeWorker) -> None:
    async with (
        httpx.AsyncClient(timeout=FAILURE_BOUND_S) as client,
        client.stream("GET", f"{proof_worker.url}/broken?ms=100") as answer,
    ):
        arriving = answer.aiter_raw()
        assert await anext(arriving) == b"half"
        with pytest.raises(httpx.RemoteProtocolError):
            await anext(arriving)


async def test_an_upstream_reset_in_mid_stream_breaks_the_body(proof_worker: EdgeWorker) -> None:
    async with held_upstream() as upstream, httpx.AsyncClient(timeout=FAILURE_BOUND_S) as client:
        url = f"{proof_worker.url}/through?url={upstream.url}"
        sending = asyncio.create_task(client.send(client.build_request("GET", url), stream=True))
        held = await upstream.accept()
        await held.send(HEAD)
        await held.send_chunk(b"half")
        arriving = (await sending).aiter_raw()
        assert await anext(arriving) == b"half"
        held.reset()
        with pytest.raises(httpx.RemoteProtocolError):
            await anext(arriving)


# Upstreams


async def test_a_request_crosses_without_hop_by_hop_fields(proof_worker: EdgeWorker) -> None:
    async with held_upstream() as upstream:
        sending = asyncio.create_task(
            request(proof_worker, "POST", "/through", params={"url": f"{upstream.url}/a?b=%20c"}, content=b"\0body")
        )
        held = await upstream.accept()
        head = held.request.decode().lower()
        assert head.startswith("post /a?b=%20c http/1.1\r\n")
        assert "x-proof: through\r\n" in head
        assert "content-length: 5\r\n" in head
        assert "connection: close" not in head
        assert "accept-encoding: identity" in head
        assert await held.reader.readexactly(5) == b"\0body"
        await held.send(b"HTTP/1.1 307 Temporary Redirect\r\nlocation: /elsewhere\r\ncontent-length: 2\r\n\r\nno")
        answer = await sending
    assert (answer.status_code, answer.content) == (307, b"no")
    assert answer.headers["up-location"] == "/elsewhere"


async def test_a_compressed_answer_arrives_decompressed(proof_worker: EdgeWorker) -> None:
    packed = gzip.compress(b"plain words")
    async with held_upstream() as upstream:
        sending = asyncio.create_task(request(proof_worker, "GET", "/through", params={"url": upstream.url}))
        held = await upstream.accept()
        head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed)
        await held.send(head + packed)
        answer = await sending
    assert answer.content == b"plain words"
    assert not {"up-content-encoding", "up-content-length"} & set(answer.headers)


async def test_an_upstream_that_is_not_there_is_not_told_from_one_that_hung_up(proof_worker: EdgeWorker) -> None:
    answer = await request(proof_worker, "GET", "/through", params={"url": "http://127.0.0.1:1/"})
    assert (answer.status_code, answer.text) == (502, "ReadError")


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nx-half: ",
        b"220 mail.example ESMTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort",
        HEAD,
        HEAD + b"3\r\nabc\r\n",
        HEAD + b"9\r\nabc",
        HEAD + b"xyz\r\n",
    ],
    ids=[
        "nothing",
        "half a head",
        "not HTTP",
        "content-length not a number",
        "content-length short",
        "no chunk",
        "chunked without end",
        "half a chunk",
        "chunk size not a number",
    ],
)
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
async def test_a_truncated_answer_never_looks_complete(proof_worker: EdgeWorker, reply: bytes, reset: bool) -> None:
    async with held_upstream() as upstream:
        sending = asyncio.create_task(request(proof_worker, "POST", "/through", params={"url": upstream.url}))
        held = await upstream.accept()
        await held.send(reply)
        if reset:
            held.reset()
        else:
            held.writer.close()
        try:
            answer = await sending
        except httpx.RemoteProtocolError:
            return
    # wrangler's own proxy answers 500 when a body breaks before it has passed on the first byte
    assert (answer.status_code, answer.text) == (502, "ReadError") or answer.status_code == 500


@pytest.mark.parametrize("url", ["nowhere", "ftp://127.0.0.1/", "mailto:nobody", "http:///path"])
async def test_an_address_that_is_none_is_refused_unsent(proof_worker: EdgeWorker, url: str) -> None:
    answer = await request(proof_worker, "GET", "/through", params={"url": url})
    assert (answer.status_code, answer.text) == (502, "UnsupportedProtocol")


async def test_an_upstream_that_never_answers_is_given_up_and_hung_up_on(proof_worker: EdgeWorker) -> None:
    async with held_upstream() as upstream:
        params = {"url": upstream.url, "read_s": "0.1"}
        sending = asyncio.create_task(request(proof_worker, "GET", "/through", params=params))
        held = await upstream.accept()
        answer = await sending
        async with asyncio.timeout(FAILURE_BOUND_S):
            await held.wait_closed_by_peer()
    assert (answer.status_code, answer.text) == (502, "ReadTimeout")


# The Durable Object's database


@pytest.mark.parametrize("case", [case.__name__ for case in database_contract.CASES])
async def test_the_object_keeps_the_database_contract(proof_worker: EdgeWorker, case: str) -> None:
    assert await tell(proof_worker, case, tenant=case) == ""


@pytest.mark.parametrize("case", [case.__name__ for case in spool_contract.CASES])
async def test_the_spool_does_there_what_it_does_here(proof_worker: EdgeWorker, case: str) -> None:
    assert await tell(proof_worker, case, tenant=case) == ""


async def test_values_come_back_as_they_were(proof_worker: EdgeWorker) -> None:
    told = await tell(proof_worker, "values")
    assert told["equal"]
    assert told["types"] == ["NoneType", "int", "int", "int", "int", "str", "str", "bytes", "bytes"]


async def test_a_transaction_s_own_exception_rolls_back_and_comes_out_unchanged(proof_worker: EdgeWorker) -> None:
    assert await tell(proof_worker, "rollback") == {"same": True, "rows": []}


async def test_what_cannot_be_stored_exactly_is_refused(proof_worker: EdgeWorker) -> None:
    outcomes = await tell(proof_worker, "refusals")
    assert set(outcomes.values()) == {"StateError"}, outcomes


async def test_a_hundred_parameters_are_bound_in_order(proof_worker: EdgeWorker) -> None:
    assert await tell(proof_worker, "hundred") is True


async def test_a_transaction_may_go_on_after_a_refused_statement(proof_worker: EdgeWorker) -> None:
    assert await tell(proof_worker, "caught") == ["went on", [[7]]]


async def test_a_bound_integer_is_an_integer_where_its_column_says_so(proof_worker: EdgeWorker) -> None:
    assert await tell(proof_worker, "integers") == [[2**53 - 1, "integer"], [3]]


async def test_an_object_knows_its_name_and_wakes_at_its_alarm(proof_worker: EdgeWorker) -> None:
    before = await request(proof_worker, "POST", "/object/read", json={"counter": "alarm"})
    assert before.json()["object"] == "proof"
    await request(proof_worker, "POST", "/object/settle", json={})
    await until_counted(proof_worker, "alarm", before.json()["value"] + 1)


async def test_concurrent_first_calls_build_one_mediator_and_lose_no_update(proof_worker: EdgeWorker) -> None:
    path = "/object/admit?tenant=concurrent"
    calls = [request(proof_worker, "POST", path, json={"counter": "concurrent"}) for _ in range(30)]
    values = sorted(answer.json()["value"] for answer in await asyncio.gather(*calls))
    assert values == list(range(1, 31))


async def test_tenants_do_not_share_an_object(proof_worker: EdgeWorker) -> None:
    for tenant in ("one", "two"):
        answer = await request(proof_worker, "POST", f"/object/admit?tenant={tenant}", json={"counter": "own"})
        assert answer.json() == {"value": 1}


async def test_the_small_ports_keep_their_word(proof_worker: EdgeWorker) -> None:
    told = await tell(proof_worker, "ports")
    assert told["sha3_256"] == "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"  # FIPS 202, "abc"
    assert re.fullmatch("ses_[0-9a-f]{32}", told["id"])
    assert told["distinct"]
    assert told["ended"] == "TimeoutError"
    assert told["waited"]
    assert told["now_us"] > 1_700_000_000_000_000


@pytest.mark.parametrize("crash", [False, True])
async def test_what_was_answered_survives_the_end_of_the_runtime(proof_worker: EdgeWorker, crash: bool) -> None:
    answer = await request(proof_worker, "POST", "/object/admit", json={"counter": "lasting"})
    await asyncio.to_thread(proof_worker.restart, crash=crash)
    assert await count(proof_worker, "lasting") == answer.json()["value"]
