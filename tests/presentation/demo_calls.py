"""Functions of presentation/demo/*.js called in Node, with what JSON can say."""

from __future__ import annotations

import base64
import itertools
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.edge.harness import setup_edge
from tests.kernel_build import built_kernel

HERE = Path(__file__).parent
DEMO = HERE.parents[1] / "presentation" / "demo"
FAILURE_BOUND_S = 60
Call = tuple[str, str, Sequence[Any]]


def calls(*given: Call) -> list[Any]:
    """The value of each call `(module, function, arguments)`; a constant takes no arguments."""
    command = [setup_edge.ensure().node, HERE / "demo_modules.mjs", DEMO, built_kernel()]
    done = subprocess.run(
        [str(part) for part in command],
        input=json.dumps(given).encode(),
        capture_output=True,
        timeout=FAILURE_BOUND_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    found: list[Any] = json.loads(done.stdout)
    return found


def call(module: str, name: str, *arguments: Any) -> Any:
    """The value of one call."""
    return calls((module, name, arguments))[0]


def pieces(data: bytes, *cuts: int) -> list[str]:
    """The bytes cut at these places, each piece in base64."""
    ends = [0, *cuts, len(data)]
    return [base64.b64encode(data[start:end]).decode() for start, end in itertools.pairwise(ends)]
