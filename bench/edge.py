"""Measures what one request costs in raw workerd: the deployed Worker, its Durable Object, and the mock upstream.

    python -m bench.edge [--requests 300] [--rounds 3] [--out docs/performance.md] [--date YYYY-MM-DD]

No wrangler in between: the module root is staged as for a deployment, a workerd configuration is generated beside it,
and workerd serves it on a loopback port. Requests come one after the other; each figure is the median over rounds of
the client's median milliseconds, and of the processor time workerd used per request (all its threads, from /proc).
Needs the tools of tests/edge/setup_edge.py; installs none.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

from bench.report import describe_machine, write_section
from bench.run import BODIES, say, write_bodies
from bench.servers import BUDGET_USD, BUILD, ROOT, TOKEN, BenchError, Server, free_port, load, run_upstream, running

FOLDER = BUILD / "edge"
WARM_UP = 50
KINDS = {"plain": "plain chat", "stream": "streamed chat, 20 deltas"}

CONFIG = """using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [
{modules}
      ],
      compatibilityDate = {date},
      compatibilityFlags = {flags},
      bindings = [
        (name = "MEDIATOR", durableObjectNamespace = "MediatorAgent"),
{variables}
      ],
      durableObjectNamespaces = [(className = "MediatorAgent", uniqueKey = "bench", enableSql = true)],
      durableObjectStorage = (localDisk = "objects"),
      globalOutbound = "network",
    )),
    (name = "network", network = (allow = ["private"])),
    (name = "objects", disk = (path = {state}, writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:{port}", http = (), service = "main")],
);
"""


def load_setup() -> ModuleType:
    """tests/edge/setup_edge.py, which knows where the edge tools lie."""
    folder = ROOT / "tests" / "edge"
    sys.path.insert(0, str(folder))
    try:
        spec = importlib.util.spec_from_file_location("setup_edge", folder / "setup_edge.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["setup_edge"] = module
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
    return module


def list_modules(folder: Path) -> Iterator[str]:
    """A configuration line for every module, the entry first; files are embedded by their path below `folder`."""
    source = folder / "src"
    staged = sorted(path.relative_to(source) for path in source.rglob("*") if path.is_file())
    for path in sorted(staged, key=lambda path: path.name != "entry.py" or len(path.parts) > 1):
        kind = {".py": "pythonModule", ".wasm": "wasm"}.get(path.suffix, "data")
        yield f'        (name = "{path.as_posix()}", {kind} = embed "src/{path.as_posix()}"),'
    vendored = folder / "python_modules"
    for path in sorted(vendored.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            name = path.relative_to(folder).as_posix()
            yield f'        (name = "{name}", {"esModule" if path.suffix == ".js" else "data"} = embed "{name}"),'


def write_config(tools: Any, state: Path, port: int, upstream: Server) -> Path:
    """Stage the Worker and write its workerd configuration; returns the file."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    stage = [sys.executable, str(ROOT / "deploy" / "edge" / "stage.py"), "--out", str(FOLDER / "src")]
    subprocess.run(stage, check=True, stdout=subprocess.DEVNULL)
    shutil.copytree(tools.python_modules, FOLDER / "python_modules", ignore=shutil.ignore_patterns("__pycache__"))
    deployed = tomllib.loads((ROOT / "wrangler.toml").read_text())
    variables = {
        "HARPOON_TOKENS": TOKEN,
        "HARPOON_BUDGET_USD": BUDGET_USD,
        "HOSTED_AI_BASE_URL": f"http://127.0.0.1:{upstream.port}",
    }
    # JSON strings of these values are valid in a Cap'n Proto text, too.
    lines = [f"        (name = {json.dumps(name)}, text = {json.dumps(text)})," for name, text in variables.items()]
    config = CONFIG.format(
        modules="\n".join(list_modules(FOLDER)),
        date=json.dumps(str(deployed["compatibility_date"])),
        flags=json.dumps(deployed["compatibility_flags"] + tools.local_flags),
        variables="\n".join(lines),
        state=json.dumps(str(state)),
        port=port,
    )
    path = FOLDER / "config.capnp"
    path.write_text(config)
    return path


@contextmanager
def run_workerd(tools: Any, upstream: Server) -> Iterator[Server]:
    """The Worker in raw workerd, with state of its own."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="bench-edge-") as state:
        config = write_config(tools, Path(state), port, upstream)
        # The wrapper of setup_edge.py adds the folder of the Pyodide bundle, and replaces itself by workerd.
        command = [str(tools.workerd), "serve", str(config), "--experimental"]
        with running("workerd", command, port, {}) as server:
            yield server


def measure(tools: Any, requests: int, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Milliseconds and processor milliseconds of one request, per kind and round. Raises: BenchError."""
    bodies = write_bodies()
    figures: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    with run_upstream() as upstream, run_workerd(tools, upstream) as worker:
        for kind in KINDS:
            load(worker, bodies[kind], 1, WARM_UP, stream=kind != "plain")
        for number in range(1, rounds + 1):
            for kind in KINDS:
                before_s = worker.cpu_s()
                found = load(worker, bodies[kind], 1, requests, stream=kind != "plain")
                cpu_ms = (worker.cpu_s() - before_s) * 1e3 / requests
                now_mb, _ = worker.memory_mb()
                one = {key: found[key] for key in ("p50_ms", "p99_ms", "ttfb_p50_ms")}
                figures[kind].append({**one, "cpu_ms": cpu_ms, "rss_mb": now_mb})
                say(f"round {number} of {rounds}: {kind} {found['p50_ms']:.2f} ms, {cpu_ms:.2f} ms of processor time")
    return figures


def describe(figures: dict[str, list[dict[str, float]]], date: str, command: str) -> str:
    """The section of the page."""
    lines = ["| request | median ms | first byte, median ms | p99 ms | workerd CPU ms | workerd resident MB |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: |")
    for kind, title in KINDS.items():
        middle = {key: median([one[key] for one in figures[kind]]) for key in figures[kind][0]}
        lines.append(
            f"| {title} | {middle['p50_ms']:.2f} | {middle['ttfb_p50_ms']:.2f} | {middle['p99_ms']:.2f} "
            f"| {middle['cpu_ms']:.2f} | {middle['rss_mb']:.0f} |"
        )
    return "\n\n".join(
        [
            "## The Worker in raw workerd",
            f"{date}, {describe_machine()}. Sequential requests on one kept connection, no wrangler in between; a "
            "token, a tenant budget, two calls to the tenant's Durable Object and one `fetch` for each. The client, "
            "the upstream and workerd share the machine.",
            f"Reproduce it with `{command}`.",
            "\n".join(lines),
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.edge", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "performance.md", help="page to write into")
    parser.add_argument("--date", default="", help="date to print (today)")
    options = parser.parse_args()
    assert set(KINDS) <= set(BODIES)
    setup = load_setup()
    try:
        figures = measure(setup.ensure(install=False), max(1, options.requests), max(1, options.rounds))
    except (BenchError, setup.SetupError) as problem:
        say(f"bench: {problem}")
        return 1
    date = options.date or datetime.now(UTC).date().isoformat()
    command = f"python -m bench.edge --requests {options.requests} --rounds {options.rounds}"
    text = describe(figures, date, command)
    print(text)
    write_section(options.out, "edge", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
