"""A headless Chromium, driven by Playwright; what a page complains about is collected."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from app.cli.browser import find_browser

CHROMIUM = find_browser()
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run"),
    # A browser that looks for updates and the like is slow where there is no network.
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server"),
)
WAIT_SECONDS_MAX = 10.0
SHOTS = Path(__file__).resolve().parents[2] / "test-output" / "dashboard"

expect.set_options(timeout=1000 * WAIT_SECONDS_MAX)


@dataclass
class Tab:
    """A page in a context of its own: no cookie and no storage of another test."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def note(self, message: ConsoleMessage) -> None:
        """Keep what the page or the browser complains about."""
        # werkzeug's server, which the tests use, says one HTTP line more after a socket that the page has closed.
        if message.type in ("error", "warning") and "Invalid frame header" not in message.text:
            self.complaints.append(f"{message.text} {message.location.get('url', '')}")

    def screenshot(self, name: str) -> None:
        """Keep the whole page as test output."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png", full_page=True, animations="disabled")


@contextmanager
def chromium() -> Iterator[Browser]:
    """One browser, gone with the block."""
    assert CHROMIUM is not None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def new_tab(browser: Browser, **options: Any) -> Iterator[Tab]:
    """A tab; options are Playwright's for a context, such as `viewport` and `color_scheme`."""
    context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark", **options})
    context.set_default_timeout(1000 * WAIT_SECONDS_MAX)
    page = context.new_page()
    tab = Tab(page)
    page.on("console", tab.note)
    page.on("pageerror", lambda error: tab.complaints.append(str(error)))
    try:
        yield tab
    finally:
        context.close()
