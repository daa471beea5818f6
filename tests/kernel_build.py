"""The kernel as the tests run it: built from the checkout's source, once a session, where the product looks for it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from deploy.kernel.build import OUTPUT, build, write


@cache
def built_kernel() -> Path:
    """The file of the built kernel. Raises: deploy.kernel.build.BuildError saying what is missing."""
    write(build(), OUTPUT)
    return OUTPUT


@cache
def checked_kernel() -> bytes:
    """A kernel that traps on undefined behaviour and on an index beyond its array. Raises: BuildError."""
    return build(checked=True)
