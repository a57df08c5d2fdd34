"""Alice and Bob in a real browser: Chromium by Playwright, and what must hold on every page they see."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PHONE: Final = {"width": 360, "height": 780}
WAIT_MS: Final = 10_000
PAGE_BYTES_MAX: Final = 100_000
REFUSED: Final = "the server responded with a status of 4"

LOOK: Final = """() => {
  const root = document.documentElement;
  const inputs = [...document.querySelectorAll("input:not([type=hidden]),select,textarea")];
  const loads = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  return {
    lang: root.lang, title: document.title, heads: document.querySelectorAll("h1").length,
    wide: root.scrollWidth - root.clientWidth,
    unlabelled: inputs.filter(e => !e.labels.length && !e.ariaLabel).map(e => e.outerHTML),
    twins: [...document.querySelectorAll("[id]")].map(e => e.id).filter((id, i, all) => all.indexOf(id) !== i),
    bytes: loads.reduce((sum, each) => sum + (each.encodedBodySize || 0), 0),
    text: document.body.innerText,
  };
}"""


def chromium() -> str:
    """Where Chromium is. Without it there is no test, and a test that is not run must not look like one that passed."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    assert found, "the pages are tested in a real browser: apt-get install chromium"
    return found


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        made = await playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
        try:
            yield made
        finally:
            await made.close()


class Person:
    """Somebody with a phone of their own; `complaints` is what the browser said about pages of `origin`."""

    def __init__(self, page: Page, origin: str, lang: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        self._origin, self._lang = origin, lang
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def look(self) -> str:
        """What must hold on every page; returns its text."""
        seen: dict[str, Any] = await self.page.evaluate(LOOK)
        where = self.page.url
        assert seen["lang"] == self._lang, where
        assert seen["title"].strip(" ·"), where
        assert seen["heads"] == 1, where
        assert seen["wide"] <= 0, f"{where} is {seen['wide']} px too wide"
        assert seen["unlabelled"] == [], where
        assert seen["twins"] == [], where
        assert 0 < seen["bytes"] < PAGE_BYTES_MAX, f"{where}: {seen['bytes']} bytes"
        assert self.complaints == [], where
        return str(seen["text"])

    async def go(self, path: str) -> str:
        await self.page.goto(path if path.startswith("http") else self._origin + path)
        return await self.look()

    async def click(self, words: str) -> None:
        """Click a button, link or summary by its words."""
        wanted = self.page.locator("button,a,summary").get_by_text(words, exact=True)
        await (wanted.or_(self.page.locator("button,a,summary", has_text=words))).first.click()
        await self.page.wait_for_load_state()

    async def fill(self, **fields: str) -> None:
        for name, value in fields.items():
            await self.page.fill(f"#{name}", value)

    async def sees(self, words: str) -> None:
        """Wait until the page says it, without a reload; then look at the page as it is."""
        await self.page.get_by_text(words).first.wait_for()
        await self.look()

    def _heard(self, message: ConsoleMessage) -> None:
        """A page of an error is noted with its status; that is no complaint, a missing part of a page is."""
        url = message.location.get("url", "")
        refused = REFUSED in message.text and url.partition("#")[0] == self.page.url.partition("#")[0]
        if message.type in {"error", "warning"} and self.page.url.startswith(self._origin) and not refused:
            self.complaints.append(f"{message.text} ({url})")


@asynccontextmanager
async def person(
    made: Browser, origin: str, locale: str = "en-GB", scheme: str = "light"
) -> AsyncIterator[Person]:
    lang = "zh-Hans" if locale.startswith("zh") else "en"
    context = await made.new_context(
        viewport=PHONE, locale=locale, color_scheme=scheme, accept_downloads=True
    )
    context.set_default_timeout(WAIT_MS)
    try:
        yield Person(await context.new_page(), origin, lang)
    finally:
        await context.close()
