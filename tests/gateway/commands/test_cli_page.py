"""docs/cli.md shows what the commands really print."""

from __future__ import annotations

from pathlib import Path

from gateway.cli import COMMANDS
from tests.gateway.commands.cli_page import PAGE, commands_of, masked, rendered
from tests.serving import serving


def test_every_command_has_an_example_that_was_run() -> None:
    page = PAGE.read_text(encoding="utf-8")
    run = "\n".join(commands_of(page))
    # `serve` does not end by itself, so its greeting is shown elsewhere on the page.
    missing = [name for name in COMMANDS if f"harpoon {name}" not in run and name != "serve"]
    assert missing == []
    assert "harpoon serve" in page


def test_the_examples_print_what_the_page_shows(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    (tmp_path / "work").mkdir()
    with serving(tmp_path / "state", HARPOON_ESTIMATES="catalogue") as server:
        now = rendered(page, server, tmp_path / "work")
    assert masked(now).splitlines() == masked(page).splitlines()
