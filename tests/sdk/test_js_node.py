"""sdk/js in Node: its own tests (js_sdk.test.mjs), one of them against the runtime's reader of events."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from tests.edge.harness import setup_edge
from tests.sdk.capture_server import KEY, serving

HERE = Path(__file__).parent
SDK = HERE.parents[1] / "sdk" / "js"
FAILURE_BOUND_S = 120


def test_the_sdk_in_node() -> None:
    with serving() as server:
        told = {"SDK": (SDK / "scr_sdk.js").as_uri(), "SCR_ENDPOINT": server.url, "SCR_API_KEY": KEY}
        done = subprocess.run(
            [str(setup_edge.ensure().node), "--test", "--test-reporter=tap", str(HERE / "js_sdk.test.mjs")],
            env={**os.environ, **told},
            capture_output=True,
            timeout=FAILURE_BOUND_S,
            check=False,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert re.search(r"^# fail 0$", done.stdout, re.MULTILINE), done.stdout
        wanted = re.search(r"ids (\[.*\])", done.stdout)
        assert wanted, done.stdout
        assert server.ids() == json.loads(wanted[1])
    full, short = server.events
    assert (full.session_id, full.total_tokens, full.status, full.tier) == ("näh ✓", 3, "error", "pro")
    assert (short.session_id, short.metadata.count("spare")) == ("sess_1", 1)


def test_the_package_is_one_module_with_its_types_and_nothing_else() -> None:
    package = json.loads((SDK / "package.json").read_text("utf-8"))
    assert package["name"] == "session-completion-runtime-sdk"
    assert sorted(path.name for path in SDK.iterdir()) == sorted([*package["files"], "package.json"])
    assert not {"dependencies", "devDependencies", "scripts"} & package.keys()
    source = (SDK / "scr_sdk.js").read_text("utf-8")
    assert not re.findall(r"^\s*import\b|\bimport\(", source, re.MULTILINE)
    # Every option that the module reads has its type.
    types = (SDK / "scr_sdk.d.ts").read_text("utf-8")
    defaults = re.search(r"DEFAULTS = Object\.freeze\(\{(.*?)\}\)", source, re.DOTALL)
    assert defaults
    for name in re.findall(r"^\s*(\w+):", defaults[1], re.MULTILINE):
        assert f"{name}?:" in types
