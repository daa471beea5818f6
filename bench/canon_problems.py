"""Random decision problems against brute force: as many as you like, with one digest over all certificates.

    python -m bench.canon_problems --problems 100000 [--first SEED] [--edge]

Each problem is decided, compared with a brute-force judgement written apart from the engine, decided again with its
parts in another order and from its own certificate, and the certificate is verified. The digest is the SHA3-256 over
the certificates' digests, so that two hosts, or two versions, can be compared by one line. `--edge`: all of that in
workerd, which needs the tools of tests/edge/setup_edge.py.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator
from urllib.request import ProxyHandler, build_opener

from gateway.adapters.host import PySha3Hasher
from tests.edge.harness import EdgeWorker
from tests.edge.hosts import PROOF_MODULES, TESTS
from tests.worker.canon.problem_proof import prove
from worker.ports import Hasher

#: Problems of one request to workerd, and after how many there is a word.
BATCH, SAID_EVERY = 25, 10_000


def on_cpython(first: int, count: int, hasher: Hasher) -> Iterator[str]:
    """The digests of the certificates. Raises: AssertionError naming the seed that fails."""
    for seed in range(first, first + count):
        yield json.loads(prove(seed, hasher))["digest"]


def in_workerd(first: int, count: int) -> Iterator[str]:
    """The same, from a Worker. Raises: HTTPError where a problem fails."""
    with EdgeWorker(TESTS / "edge" / "proof_entry.py", added=PROOF_MODULES, label="bench-problems") as worker:
        opener = build_opener(ProxyHandler({}))
        for at in range(first, first + count, BATCH):
            size = min(BATCH, first + count - at)
            with opener.open(f"{worker.url}/problems?first={at}&count={size}") as answer:
                yield from json.load(answer)


def main() -> int:
    """Run the problems of consecutive seeds and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--edge", action="store_true", help="in workerd")
    options = parser.parse_args()
    hasher = PySha3Hasher()
    asyncio.run(hasher.load())
    run = (options.first, options.problems)
    digests, begun = [], time.monotonic()
    for digest in in_workerd(*run) if options.edge else on_cpython(*run, hasher):
        digests.append(digest)
        if len(digests) % SAID_EVERY == 0:
            print(f"{len(digests)} problems, {time.monotonic() - begun:.0f} s", flush=True)
    whole = hasher.sha3_256("".join(digests).encode()).hex()
    print(f"{len(digests)} problems equal brute force; digest {whole}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
