"""The user's own folder, which a user in a container may lack: no HOME, and no entry among the system's users."""

from __future__ import annotations

from pathlib import Path


def home_folder() -> Path | None:
    """The folder; None for a user who has none."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def with_home(path: str) -> Path | None:
    """A path with its `~` replaced; None where that is nobody's folder."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return None
