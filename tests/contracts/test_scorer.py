"""What every adapter of the Scorer port keeps."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.adapters.wasmtime_kernel import KernelScorer
from tests.kernel_build import built_kernel
from worker.classification import Classification, ReferenceScorer
from worker.ports import Scorer

ADAPTERS: tuple[Callable[[], Scorer], ...] = (ReferenceScorer, KernelScorer)
TEXTS = (b"", b"hello", b"\xff\x00\xfe", "🎉 שלום".encode(), b"analyze this machine", b"compare " * 120_000)


@pytest.fixture(params=ADAPTERS, ids=lambda adapter: adapter.__name__)
async def scorer(request: pytest.FixtureRequest) -> Scorer:
    built_kernel()
    adapter: Scorer = request.param()
    await adapter.load()
    return adapter


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: f"{len(text)}-bytes")
async def test_any_bytes_are_classified_in_range(scorer: Scorer, text: bytes) -> None:
    said = scorer.score(text)
    assert isinstance(said, Classification)
    assert said.complexity in ("simple", "moderate", "complex")
    assert said.task in ("code", "math", "classification", "extraction", "summarisation", "other")
    assert 0 <= said.p_small_fails_ppm <= 1_000_000
    assert 8 <= said.expected_output_tokens <= 4_096
    assert said.model_version


async def test_the_same_bytes_score_the_same(scorer: Scorer) -> None:
    first = [scorer.score(text) for text in TEXTS]
    assert [scorer.score(text) for text in TEXTS] == first


async def test_loading_again_changes_nothing(scorer: Scorer) -> None:
    before = scorer.score(b"hello")
    await scorer.load()
    assert scorer.score(b"hello") == before


async def test_the_demo_prompt_is_complex_and_a_greeting_is_not(scorer: Scorer) -> None:
    assert scorer.score(b"Analyze this financial report and identify the top 5 risks.").complexity == "complex"
    assert scorer.score(b"hello").complexity == "simple"
