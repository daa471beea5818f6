"""The pool model in workerd's Pyodide does to the microsecond what it does here, for the same seed."""

from __future__ import annotations

import io
import zipfile

import httpx

from tests.edge.harness import ROOT, EdgeWorker
from tests.edge.pool_story import digest_of

FAILURE_BOUND_S = 120
MODEL = ROOT / "gateway" / "simulator" / "pools"
#: Those that make a report of a run, and nothing of the run.
LEFT_OUT = ("page.py", "report.py")
SEEDS = (1, 20_261_120)


def packed() -> bytes:
    """The model and the story as a zip file, each at the path that it is imported from."""
    packages = [ROOT / "gateway" / "__init__.py", ROOT / "gateway" / "simulator" / "__init__.py"]
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(ROOT / "tests" / "edge" / "pool_story.py", "pool_story.py")
        for path in [*packages, *sorted(MODEL.glob("*.py"))]:
            if path.name not in LEFT_OUT:
                archive.write(path, path.relative_to(ROOT).as_posix())
    return data.getvalue()


async def test_equal_seeds_are_equal_runs_on_both_hosts(proof_worker: EdgeWorker) -> None:
    async with httpx.AsyncClient(base_url=proof_worker.url, timeout=FAILURE_BOUND_S) as client:
        answer = await client.post("/pools", content=packed(), params=[("seed", seed) for seed in SEEDS])
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["platform"] == "emscripten"
    assert said["digests"] == [digest_of(seed) for seed in SEEDS]
    assert len(set(said["digests"])) == len(SEEDS)
