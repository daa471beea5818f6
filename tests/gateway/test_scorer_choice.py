"""Which scorer the gateway serves with: the kernel where there is one of this version, else the reference."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.adapters.wasmtime_kernel import KernelScorer
from gateway.app import load_scorer
from tests.kernel_build import built_kernel
from worker.classification import ReferenceScorer


async def test_the_built_kernel_scores() -> None:
    scorer = await load_scorer(built_kernel())
    assert isinstance(scorer, KernelScorer)
    assert scorer.score(b"hello") == ReferenceScorer().score(b"hello")


async def test_without_a_kernel_the_reference_scores_and_the_log_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "harpoon")
    scorer = await load_scorer(tmp_path / "kernel.wasm")
    assert isinstance(scorer, ReferenceScorer)
    assert "classification runs in pure Python: There is no kernel.wasm: build it with" in caplog.text


async def test_a_kernel_of_another_version_does_not_score(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "harpoon")
    stale = tmp_path / "kernel.wasm"
    stale.write_bytes(built_kernel().read_bytes().replace(b'"model_version":"r', b'"model_version":"R'))
    assert isinstance(await load_scorer(stale), ReferenceScorer)
    assert "The kernel can't be used: the kernel was built from another version" in caplog.text
