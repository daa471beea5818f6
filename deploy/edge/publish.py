"""Publish the Worker: check that everything is at hand, stage its files, and hand over to `wrangler deploy`.

Standard library only. What is uploaded, and under which name, stands in wrangler.toml; arguments are passed on to
wrangler, so `publish.py --dry-run` builds and checks everything and uploads nothing.

wrangler and its Node are the pinned ones in the cache that tests/edge/setup_edge.py fills.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SETUP = ROOT / "tests" / "edge"
MODULES = ROOT / "python_modules"
#: One module of each vendored package the Worker can't start without.
NEEDED_MODULES = ("workers", "starlette", "httpx", "anyio")
KERNEL = ROOT / "wasm_classifier" / "kernel.wasm"
OUTPUT = ROOT / "build" / "publish"


class PublishError(Exception):
    """Something is missing; the message says what, and what to do."""


def check_modules(folder: Path) -> None:
    """See that the Worker's packages are vendored. Raises: PublishError naming those that are not."""
    missing = [name for name in NEEDED_MODULES if not (folder / name).is_dir()]
    if missing:
        raise PublishError(
            f"{folder.name}/ beside wrangler.toml lacks {', '.join(missing)}: run `python3 tests/edge/setup_edge.py`"
        )


def check_access(arguments: Sequence[str], environment: Mapping[str, str], home: Path) -> None:
    """See that somebody can be logged in, unless nothing is uploaded. Raises: PublishError."""
    if "--dry-run" in arguments or environment.get("CLOUDFLARE_API_TOKEN") or environment.get("CLOUDFLARE_API_KEY"):
        return
    folders = (home / ".config" / ".wrangler", home / ".wrangler", home / ".config" / "wrangler")
    if not any((folder / "config" / "default.toml").is_file() for folder in folders):
        raise PublishError(
            "nobody is logged in at Cloudflare: set CLOUDFLARE_API_TOKEN, or run `wrangler login` once "
            "(`python3 deploy/edge/publish.py --dry-run` checks everything else)"
        )


def check_gateway(arguments: Sequence[str], config: Path) -> None:
    """Warn when the published Worker would look for its gateway on its own machine, where there is none."""
    gateway = str(tomllib.loads(config.read_text("utf-8")).get("vars", {}).get("GATEWAY_URL", ""))
    if "://127.0.0.1" in gateway and not any(argument.startswith("GATEWAY_URL:") for argument in arguments):
        print(
            f"note: GATEWAY_URL is {gateway}, which nobody but this machine reaches. The Worker serves the providers "
            "whose keys it has; name a gateway with `--var GATEWAY_URL:https://...`",
            file=sys.stderr,
        )


def check_kernel(kernel: Path) -> None:
    """Warn when the kernel isn't built: everything works without it, three times slower."""
    if not kernel.is_file():
        print(
            f"note: {kernel.name} is not built, so SHA3 and classification will run in pure Python: "
            "`python -m deploy.kernel.build` with the dev extra installed, or `make deploy`",
            file=sys.stderr,
        )


def find_wrangler() -> tuple[list[str], Path]:
    """The command that runs the pinned wrangler, and the folder of its Node. Raises: PublishError."""
    sys.path.insert(0, str(SETUP))
    import setup_edge

    try:
        tools = setup_edge.ensure(install=False)
    except setup_edge.SetupError as exc:
        raise PublishError(str(exc)) from exc
    return [str(tools.node), str(tools.wrangler)], tools.node.parent


def publish(arguments: Sequence[str]) -> int:
    """Stage and deploy; returns wrangler's exit status. Raises: PublishError."""
    check_modules(MODULES)
    check_access(arguments, os.environ, Path.home())
    check_gateway(arguments, ROOT / "wrangler.toml")
    check_kernel(KERNEL)
    wrangler, node_folder = find_wrangler()
    # wrangler runs the build command of wrangler.toml, which stages; doing it here first shows its faults plainly.
    staged = subprocess.run([sys.executable, str(ROOT / "deploy" / "edge" / "stage.py")], cwd=ROOT, check=False)
    if staged.returncode != 0:
        raise PublishError("the Worker's files could not be staged")
    if "--dry-run" in arguments and "--outdir" not in arguments:
        shutil.rmtree(OUTPUT, ignore_errors=True)
        arguments = [*arguments, "--outdir", str(OUTPUT)]
    path = os.pathsep.join((str(node_folder), str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    environment = {**os.environ, "PATH": path}
    done = subprocess.run([*wrangler, "deploy", *arguments], cwd=ROOT, env=environment, check=False)
    if done.returncode == 0 and "--dry-run" not in arguments:
        print("published. Nobody may use it until it knows a token: `wrangler secret put HARPOON_TOKENS`")
    return done.returncode


def main() -> int:
    try:
        return publish(sys.argv[1:])
    except PublishError as exc:
        print(f"not published: {exc}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
