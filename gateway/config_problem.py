"""What is wrong with a setting: for whoever reads the configuration file, and for those who never need its YAML."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Problem(NamedTuple):
    """What is wrong at one place of a file, or elsewhere (line 0); `key` is empty where it is no key's."""

    line: int
    column: int
    key: str
    message: str

    def to_text(self, path: Path | None) -> str:
        """`file:line:column: key: what is expected`."""
        if not self.line:
            return self.message
        return f"{path}:{self.line}:{self.column}: {self.key + ': ' if self.key else ''}{self.message}"
