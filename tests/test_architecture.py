"""The tree keeps the rules of `architecture_rules.py`, and every rule is shown a source that breaks it."""

from __future__ import annotations

import pytest

from tests.architecture_rules import (
    FILE_LINES,
    FUNCTION_LINES,
    RULES,
    SHIPPED,
    Rule,
    core_has_no_host_of_its_own,
    decisions_are_exact,
    ignored_types_say_which,
    import_cycles,
    imports_stay_in_their_layer,
    module_of,
    modules,
    no_file_is_called_utils,
    nothing_happens_at_import,
    nothing_is_too_long,
    only_edges_catch_everything,
    sha3_is_never_hashlibs,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps(rule: Rule) -> None:
    assert [breach for module in modules() for breach in rule(module)] == []


def test_the_tree_has_no_import_cycle() -> None:
    assert import_cycles(tuple(module for module in modules() if module.path.split("/")[0] in SHIPPED)) == []


def test_the_rules_see_the_whole_product() -> None:
    seen = {module.path for module in modules()}
    assert {
        "worker/ports.py",
        "worker/ledger/canonical.py",
        "wasm_classifier/__init__.py",
        "gateway/__init__.py",
    } <= seen


CORE, DECIDING, EDGE = "worker/x.py", "worker/canon/x.py", "worker/edge/x.py"
BAD: list[tuple[Rule, str, str]] = [
    *[
        (imports_stay_in_their_layer, path, source)
        for path, source in [
            ("wasm_classifier/x.py", "import worker.errors"),
            ("wasm_classifier/x.py", "import httpx"),
            (CORE, "import gateway.app"),
            (CORE, "from worker.edge import asgi"),
            (CORE, "from worker import entry"),
            (CORE, "from .edge import asgi"),
            (CORE, "def f():\n    import aiohttp"),
            (CORE, "import js"),
            (CORE, "from pyodide.ffi import JsProxy"),
            (EDGE, "import gateway.app"),
            ("worker/entry.py", "import aiohttp"),
            ("gateway/x.py", "import worker.edge.asgi"),
            ("gateway/x.py", "import workers"),
        ]
    ],
    *[
        (core_has_no_host_of_its_own, CORE, source)
        for source in [
            "import time",
            "from random import random",
            "import os.path",
            "from io import open",
            "from urllib import request",
            "def f():\n    return open('x')",
            "from datetime import datetime\ndef f():\n    return datetime.now()",
            "import datetime\ndef f():\n    return datetime.datetime.now(datetime.UTC)",
            "import asyncio\ndef f():\n    return asyncio.Lock()",
            "from asyncio import Queue",
            "import logging\ndef f(log):\n    log.addHandler(logging.StreamHandler())",
        ]
    ],
    *[
        (nothing_happens_at_import, CORE, source)
        for source in [
            "x = connect()",
            "import os\nx = os.environ.get('A')",
            "import httpx\nclient = httpx.AsyncClient()",
            "print(1)",
            "for x in (1, 2):\n    pass",
            "with open('x') as f:\n    pass",
            "class A:\n    x = load()",
            "def f(x=load()):\n    pass",
            "def f(*, x=load()):\n    pass",
            "x = [load() for _ in (1,)]",
            "del x",
            "def build():\n    return connect()\nx = build()",
            "import httpx\nx = httpx.HTTPTransport()",
        ]
    ],
    *[
        (decisions_are_exact, path, source)
        for path, source in [
            (DECIDING, "x = 0.5"),
            (DECIDING, "x = 1 / 2"),
            (DECIDING, "x /= 2"),
            (DECIDING, "x = float('1')"),
            (DECIDING, "x = round(y)"),
            (DECIDING, "from math import log"),
            ("worker/routing/x.py", "import unicodedata"),
            ("worker/covenant/x.py", "x = y.lower()"),
            ("worker/covenant/x.py", "x = map(str.upper, y)"),
            ("worker/covenant/x.py", "x = y.isdigit() or y.isalpha() or y.casefold()"),
            ("worker/covenant/x.py", "import re\nx = re.compile(r'\\d+')"),
            ("worker/covenant/x.py", "import re\nx = re.compile('[a-z]', re.IGNORECASE)"),
            ("worker/ledger/x.py", "x: int = 1.0"),
            ("wasm_classifier/x.py", "x = 1e3"),
        ]
    ],
    (sha3_is_never_hashlibs, CORE, "import hashlib\nx = hashlib.sha3_256"),
    (sha3_is_never_hashlibs, "bench/x.py", "from hashlib import sha3_256"),
    (sha3_is_never_hashlibs, "gateway/x.py", "import hashlib\nx = hashlib.new('sha3_256')"),
    (nothing_is_too_long, CORE, "x = 1\n" * (FILE_LINES + 1)),
    (nothing_is_too_long, CORE, "def f():\n" + "    x = 1\n" * FUNCTION_LINES),
    (nothing_is_too_long, CORE, "class A:\n    async def f(self):\n" + "        x = 1\n" * FUNCTION_LINES),
    (no_file_is_called_utils, "gateway/utils.py", ""),
    (ignored_types_say_which, CORE, "x = 1  # type: ignore"),
    (only_edges_catch_everything, CORE, "try:\n    x = 1\nexcept Exception:\n    pass"),
    (only_edges_catch_everything, CORE, "try:\n    x = 1\nexcept:\n    pass"),
    (only_edges_catch_everything, "gateway/x.py", "try:\n    x = 1\nexcept (KeyError, BaseException):\n    pass"),
]

GOOD = [
    (
        CORE,
        "from __future__ import annotations\nimport re\nfrom worker import errors\nX = re.compile(r'\\d')\nY = 1 / 2",
    ),
    (CORE, "from dataclasses import dataclass, field\n@dataclass\nclass A:\n    x: int = field(default=0)\nB = A(3)"),
    (
        CORE,
        "from datetime import datetime\nimport asyncio\nasync def f(clock):\n    await asyncio.sleep(clock.now_us())",
    ),
    (
        CORE,
        "def f():\n    try:\n        return 1\n    except (KeyError, ValueError):  # type: ignore[misc]\n        raise",
    ),
    (
        DECIDING,
        "import re\nX = re.compile(r'[0-9]+')\nY = re.compile(r'\\w', re.ASCII)\nZ = re.compile(rb'\\d')\nW = 7 // 2",
    ),
    (EDGE, "import js\nimport time\nfrom workers import fetch\ntry_all = lambda: time.time()"),
    (
        "gateway/adapters/x.py",
        "import os\ndef f():\n    try:\n        os.stat('x')\n    except Exception:\n        return",
    ),
    ("wasm_classifier/train.py", "import sklearn\ndef f():\n    return 0.5"),
]


@pytest.mark.parametrize(("rule", "path", "source"), BAD)
def test_a_breach_is_seen(rule: Rule, path: str, source: str) -> None:
    assert list(rule(module_of(path, source)))


@pytest.mark.parametrize(("path", "source"), GOOD)
def test_what_keeps_the_rules_is_left_alone(path: str, source: str) -> None:
    assert [breach for rule in RULES for breach in rule(module_of(path, source))] == []


def test_a_cycle_is_seen() -> None:
    direct = (module_of("worker/a.py", "from worker import b"), module_of("worker/b.py", "import worker.a"))
    relative = (module_of("worker/c/d.py", "from .e import x"), module_of("worker/c/e.py", "from . import d"))
    late = (module_of("worker/f.py", "import worker.g"), module_of("worker/g.py", "def h():\n    import worker.f"))
    assert import_cycles(direct) == ["worker.a -> worker.b -> worker.a"]
    assert import_cycles(relative) == ["worker.c.d -> worker.c.e -> worker.c.d"]
    assert import_cycles(late) == []
