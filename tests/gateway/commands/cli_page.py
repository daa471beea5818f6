"""docs/cli.md's examples, really run: written into the page by this script, and held against it by a test.

    python -m tests.gateway.commands.cli_page

Each `console` block is a list of `$ command` lines with what they print. All of them run in order, in one folder,
against one server that learns nothing, so that they print the same again; what differs by nature (ids, times) is masked
before it is compared.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.serving import HARPOON, Serving, environment, serving

PAGE = Path(__file__).parents[3] / "docs" / "cli.md"
RUN_S = 60
_BLOCK = re.compile(r"(^```console\n)(.*?)(^```$)", re.MULTILINE | re.DOTALL)
#: What is never the same twice, and what stands for it when two runs are compared.
_MASKS = (
    (re.compile(r"dec_[0-9a-f]{32}"), "dec_#"),
    (re.compile(r"cov-[0-9a-f]{8}"), "cov-#"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "digest#"),
    (re.compile(r"key_[0-9a-f]{24}(_[0-9a-f]{64})?"), "key_#"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "time#"),
    (re.compile(r"\d+\.\d\d s, first words after \d+\.\d\d s"), "seconds#"),
    (re.compile(r"\b\d+(?:\.\d+)? ms\b"), "ms#"),
    (re.compile(r"(\$[\d.]+ +)(?:\d+|-)( +(?:simple|moderate|complex) )"), r"\1ms#\2"),
    (re.compile(r"(events_captured_last_minute|average_latency_ms) +\S+"), r"\1 count#"),
    (re.compile(r" +"), " "),
)


def masked(text: str) -> str:
    """The text with everything alike that differs from run to run."""
    for pattern, stand_in in _MASKS:
        text = pattern.sub(stand_in, text)
    return text


def commands_of(page: str) -> list[str]:
    """Every command of the page, in order."""
    return [line[2:] for block in _BLOCK.finditer(page) for line in block[2].splitlines() if line.startswith("$ ")]


def rendered(page: str, server: Serving, folder: Path) -> str:
    """The page with each command's output as it is now."""

    def block(match: re.Match[str]) -> str:
        lines = [line for line in match[2].splitlines() if line.startswith("$ ")]
        return match[1] + "".join(f"{line}\n{_output(line[2:], server, folder)}" for line in lines) + match[3]

    return _BLOCK.sub(block, page)


def _output(command: str, server: Serving, folder: Path) -> str:
    given = environment(HARPOON_URL=server.base, HARPOON_ESTIMATES="catalogue", HOME=str(folder))
    given["PATH"] = f"{HARPOON.parent}:{given['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=given,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    return done.stdout


def main() -> int:
    """Write the page's outputs anew."""
    page = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serving(folder / "state", HARPOON_ESTIMATES="catalogue") as server:
            (folder / "work").mkdir()
            PAGE.write_text(rendered(page, server, folder / "work"), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
