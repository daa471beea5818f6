"""/api/ledger: what a tenant can hold the gateway to, over HTTP, and what is nobody else's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import jsonschema
import pytest

from gateway.adapters.ed25519_signer import Ed25519Signer, is_signed
from tests.openai_shapes import error_findings
from tests.worker.api.application_kit import Application, application, ask
from tests.worker.ledger.log_kit import PUBLIC_KEY, SEED, SHA3
from worker.api.openapi.document import document
from worker.app import create_app
from worker.ledger.checkpoint import checkpoint_from_text, key_id_of
from worker.ledger.entry import leaf_hash
from worker.ledger.merkle import verify_consistency, verify_inclusion

ROOT = "http://localhost"
ACME, OTHER = "hk_acme_0123456789", "hk_other_0123456789"
ADMIN = "hk_admin_" + "s3cret" * 5


class Reader:
    """A tenant who looks at its log, and the application."""

    def __init__(self, harpoon: Application, client: httpx.AsyncClient) -> None:
        self.harpoon = harpoon
        self.client = client

    async def get(self, path: str, status: int = 200, token: str = ACME, **query: Any) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {token}"}
        answer = await self.client.get(f"/api/ledger/{path}", params=query, headers=headers)
        assert answer.status_code == status, answer.text
        check_described(f"/api/ledger/{path}", answer)
        value: dict[str, Any] = answer.json()
        return value

    async def chat(self, token: str = ACME, **headers: str) -> None:
        given = {"authorization": f"Bearer {token}", **headers}
        answer = await self.client.post("/v1/chat/completions", json=ask(), headers=given)
        assert answer.status_code == 200, answer.text
        await self.harpoon.none_open()


def check_described(path: str, answer: httpx.Response) -> None:
    """The answer has the schema that the description gives it."""
    whole = document()
    described = whole["paths"][path]["get"]["responses"][str(answer.status_code)]
    if "$ref" in described:
        described = whole["components"]["responses"][str(answer.status_code)]
    schema = described["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator({**schema, "components": whole["components"]}).validate(answer.json())


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    settings = {"HARPOON_TOKENS": f"{ACME},{OTHER}", "HARPOON_ADMIN_TOKEN": ADMIN}
    async with application(**settings) as harpoon:
        signer = Ed25519Signer(SEED)
        await signer.load()
        app = create_app(replace(harpoon.services, signer=signer))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ROOT) as client:
            yield Reader(harpoon, client)


async def test_a_checkpoint_is_signed_and_asking_again_gives_the_same(reader: Reader) -> None:
    await reader.chat()
    made = await reader.get("checkpoint")
    checkpoint = checkpoint_from_text(made["text"])
    assert is_signed(PUBLIC_KEY, checkpoint.signed, checkpoint.signature)
    assert made["public_key"] == PUBLIC_KEY.hex()
    assert made["key_id"] == key_id_of(SHA3.sha3_256, PUBLIC_KEY) == checkpoint.key_id
    assert (made["tenant"], made["size"], made["root"]) == ("acme", checkpoint.size, checkpoint.root.hex())
    assert await reader.get("checkpoint") == made
    await reader.chat()
    later = await reader.get("checkpoint")
    assert later["size"] == made["size"] + 2
    assert (await reader.get("verify"))["checkpoints"] == 2


async def test_without_a_key_a_checkpoint_is_unsigned_and_says_so() -> None:
    async with application() as harpoon:
        answer = await harpoon.client.get(f"{ROOT}/api/ledger/checkpoint")
        made = answer.json()
        assert (made["size"], made["signature"], made["public_key"], made["key_id"]) == (0, None, None, None)
        assert checkpoint_from_text(made["text"]).key_id == ""
        assert made["root"] == SHA3.sha3_256(b"").hex()


async def test_entries_come_page_by_page_as_they_are_stored(reader: Reader) -> None:
    await reader.chat(**{"x-user-id": "lovelace", "x-session-id": "s-1"})
    whole = await reader.get("entries")
    assert not whole["has_more"]
    assert [one["seq"] for one in whole["data"]] == list(range(len(whole["data"])))
    for one in whole["data"]:
        assert leaf_hash(SHA3, one["entry"].encode()).hex() == one["leaf_hash"]
        assert one["opening"] is None
    assert "lovelace" not in str(whole)
    first = await reader.get("entries", limit=2)
    assert first == {**whole, "data": whole["data"][:2], "has_more": True}
    rest = await reader.get("entries", after=1)
    assert rest["data"] == whole["data"][2:]
    assert (await reader.get("entries", after=10_000))["data"] == []
    opened = (await reader.get("entries", openings=1))["data"][-1]["opening"]
    assert (opened["user_id"], opened["session_id"]) == ("lovelace", "s-1")


async def test_proofs_verify(reader: Reader) -> None:
    await reader.chat()
    early = await reader.get("checkpoint")
    await reader.chat()
    late = await reader.get("checkpoint")
    entries = (await reader.get("entries"))["data"]
    for one in entries:
        proof = await reader.get("proof", entry=one["seq"])
        assert (proof["size"], proof["root"], proof["leaf_hash"]) == (late["size"], late["root"], one["leaf_hash"])
        path = [bytes.fromhex(step) for step in proof["path"]]
        leaf, root = bytes.fromhex(one["leaf_hash"]), bytes.fromhex(late["root"])
        verify_inclusion(SHA3, leaf, proof["entry"], proof["size"], path, root)
    assert (await reader.get("proof", entry=0, size=1))["path"] == []
    proof = await reader.get("proof", first=early["size"], second=late["size"])
    assert proof == await reader.get("proof", first=early["size"])
    path = [bytes.fromhex(step) for step in proof["path"]]
    roots = bytes.fromhex(early["root"]), bytes.fromhex(late["root"])
    verify_consistency(SHA3, early["size"], late["size"], path, *roots)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 400),
        ({"size": 3}, 400),
        ({"second": 3}, 400),
        ({"entry": 1, "first": 1}, 400),
        ({"entry": -1}, 400),
        ({"entry": "x"}, 400),
        ({"entry": 0, "size": 0}, 400),
        ({"first": 0}, 400),
        ({"entry": 1, "other": 1}, 400),
        ({"entry": 10_000}, 404),
        ({"entry": 3, "size": 3}, 404),
        ({"entry": 0, "size": 10_000}, 404),
        ({"first": 10_000}, 404),
        ({"first": 3, "second": 2}, 404),
    ],
)
async def test_what_is_no_proof_is_refused(reader: Reader, query: dict[str, Any], status: int) -> None:
    await reader.chat()
    answer = await reader.get("proof", status, **query)
    assert error_findings(answer) == []


async def test_verification_is_of_the_whole_log_and_names_the_first_fault(reader: Reader) -> None:
    await reader.chat()
    made = await reader.get("checkpoint")
    report = await reader.get("verify")
    assert (report["ok"], report["size"], report["root"]) == (True, made["size"], made["root"])
    await reader.harpoon.rows("UPDATE ledger SET entry = replace(entry, 'import', 'export') WHERE seq = 2")
    report = await reader.get("verify")
    assert (report["ok"], report["size"]) == (False, 2)
    assert (report["fault"]["reason"], report["fault"]["seq"]) == ("LEAF_MISMATCH", 2)


async def test_a_tenant_sees_its_own_log_and_strangers_none(reader: Reader) -> None:
    await reader.chat()
    await reader.chat(OTHER)
    await reader.chat(OTHER)
    assert (await reader.get("checkpoint"))["tenant"] == "acme"
    other = await reader.get("checkpoint", token=OTHER)
    assert other["tenant"] == "other"
    assert other["size"] > (await reader.get("checkpoint"))["size"]
    assert all('"tenant":"other"' in one["entry"] for one in (await reader.get("entries", token=OTHER))["data"])
    for path in ("checkpoint", "entries", "proof", "verify"):
        assert error_findings(await reader.get(path, 401, token="hk_acme_wrong")) == []


async def test_erasure_over_http(reader: Reader) -> None:
    await reader.chat(**{"x-user-id": "lovelace"})
    admin = {"authorization": f"Bearer {ADMIN}"}

    async def erase(body: Any, status: int = 200, tenant: str = "acme", headers: Any = admin) -> dict[str, Any]:
        answer = await reader.client.post(f"/admin/tenants/{tenant}/erasures", json=body, headers=headers)
        assert answer.status_code == status, answer.text
        value: dict[str, Any] = answer.json()
        return value

    size = (await reader.get("checkpoint"))["size"]
    assert await erase({"user_id": "lovelace"}) == {
        "object": "erasure",
        "tenant": "acme",
        "entries": 1,
        "decisions": 1,
        "seq": size,
        "events": 0,
    }
    assert (await erase({"user_id": "lovelace"}))["seq"] is None
    report = await reader.get("verify")
    assert (report["ok"], report["erased"], report["opened"]) == (True, 1, 0)
    for body in ({}, {"user_id": ""}, {"user_id": 1}, {"user_id": "a", "session_id": "b"}, {"name": "a"}, [1]):
        assert error_findings(await erase(body, 400)) == []
    assert error_findings(await erase({"user_id": "x" * 1_025}, 400)) == []
    await erase({"user_id": "a"}, 404, tenant="nobody")
    await erase({"user_id": "a"}, 401, headers={"authorization": f"Bearer {ACME}"})


async def test_a_decision_whose_record_was_dropped_can_still_be_listed(reader: Reader) -> None:
    await reader.chat()
    await reader.harpoon.rows("UPDATE ledger SET evidence = NULL WHERE kind = 'ACTION'")
    answer = await reader.client.get("/v1/decisions", headers={"authorization": f"Bearer {ACME}"})
    (decision,) = answer.json()["data"]
    assert (decision["candidates"], decision["ranking"], decision["inputs"]) == ([], [], {})
    assert decision["outcome"]["outcome"] == "success"
