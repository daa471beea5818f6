"""The live demo as a test uses it: what a person does there, by keyboard wherever a person could."""

from __future__ import annotations

import re
from collections.abc import Sequence

from playwright.sync_api import Locator, Page, expect

from tests.presentation.sites import DEMO, PLAYED_MODEL, Reader

#: Every command of the palette.
COMMANDS = (
    "new-covenant",
    "explain",
    "pin-route",
    "unpin-route",
    "replay",
    "export",
    "clear",
    "theme",
    "shortcuts",
    "share",
    "history",
    "cancel",
    "retry",
    "copy",
    "whatif",
    "token",
    "verify",
    "lenient",
    "forget-history",
    "go-covenant",
    "go-conversation",
    "go-execution",
    "open-presentation",
    "open-sessions",
)
DENIED_PATHS = ("/v1/chat/completions", "/v2/route", "/v2/covenant/parse", "/api/live")


class Demo:
    """The demo in a reader's hands."""

    def __init__(self, reader: Reader, path: str = DEMO) -> None:
        self.reader = reader
        self.page: Page = reader.open(path)
        self.at("#connection").wait_for()

    def at(self, selector: str) -> Locator:
        return self.page.locator(selector)

    def covenant(self, text: str, state: str = "served") -> None:
        """Type a covenant, and wait until it is read."""
        self.at("#covenant-text").fill(text)
        self.is_in("#covenant-state", state)

    def pick(self, model: str) -> None:
        """Choose a model or a route from the list."""
        self.at("#model").select_option(model)

    def send(self, text: str) -> None:
        prompt = self.at("#prompt")
        prompt.fill(text)
        prompt.press("Enter")

    def ask(self, text: str, state: str = "done") -> Locator:
        """Send a message, and wait until its answer has ended so; returns the answer."""
        before = self.answers.count()
        self.send(text)
        expect(self.answers).to_have_count(before + 1)
        answer = self.answers.nth(before)
        expect(answer).to_have_attribute("data-state", state)
        return answer

    def ask_played(self, text: str, state: str = "done") -> Locator:
        """The same of the provider that the tests play."""
        self.pick(PLAYED_MODEL)
        return self.ask(text, state)

    @property
    def answers(self) -> Locator:
        return self.at(".message[data-role=assistant]")

    def is_in(self, selector: str, state: str | Sequence[str]) -> None:
        """Wait until an element's `data-state` is one of these."""
        states = [state] if isinstance(state, str) else state
        expect(self.at(selector)).to_have_attribute("data-state", re.compile(f"^({'|'.join(states)})$"))

    def open_palette(self) -> None:
        self.page.keyboard.press("Control+k")
        expect(self.at("#palette")).to_be_visible()

    def run(self, command: str, *, choose: str | None = None) -> None:
        """Run a command by keyboard alone: open the palette, go down to the command, Enter.

        Args:
            choose: it asks what it is to be done with, in the palette; these letters find it, the first is taken.
        """
        self.open_palette()
        chosen = self.at("#palette-list [role=option][aria-selected=true]")
        expect(chosen).to_have_count(1)
        total = self.at("#palette-list [role=option]").count()
        for _ in range(total):
            if chosen.get_attribute("data-command") == command:
                self.page.keyboard.press("Enter")
                if choose is not None:
                    expect(chosen).not_to_have_attribute("data-command", command)
                    self.page.keyboard.type(choose)
                    expect(chosen).to_contain_text(choose)
                    self.page.keyboard.press("Enter")
                expect(self.at("#palette-list")).not_to_be_visible()
                return
            self.page.keyboard.press("ArrowDown")
        raise AssertionError(f"the palette has no {command}")
