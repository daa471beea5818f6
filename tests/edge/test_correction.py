"""A learned correction in the real Worker: the variable is read, and every text scores as on CPython."""

from __future__ import annotations

import json

from tests.edge.harness import EdgeWorker
from tests.edge.hosts import client_of, settings
from tests.wasm_classifier.test_correction import HARDER_LAW, LAW
from wasm_classifier.correction import to_plain
from worker.classification import CorrectedScorer, prompt_text

TEXTS = (LAW.decode(), "hello", "", "כמה זמן? 🎉", "A contract clause binds the defendant in court. " * 300)


async def test_a_correction_scores_alike_on_both_hosts(gateway: str) -> None:
    text = json.dumps(to_plain(HARDER_LAW, switched_on=True, report={}))
    variables = {**settings(["plain"], {}), "GATEWAY_URL": gateway, "HARPOON_CORRECTION_JSON": text}
    here = CorrectedScorer(HARDER_LAW)
    with EdgeWorker(label="corrected", variables=variables) as worker:
        async with client_of(worker.url, "plain") as client:
            for prompt in TEXTS:
                found = (await client.post("/classify", json={"text": prompt})).json()
                expected = here.score(prompt_text([{"role": "user", "content": prompt}]))
                assert round(found["score"] * 1_000_000) == expected.p_small_fails_ppm
                assert (found["class"], found["domain"]) == (expected.complexity, expected.domain)
                assert found["engine"] == {"model_version": HARDER_LAW.model_version, "scorer": "CorrectedScorer"}
