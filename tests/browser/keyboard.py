"""Hands that have a keyboard and nothing else: they go by Tab, and see where they are."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Download, Page, expect

_MOST_STEPS = 250

# What has the focus: how it is called, and what is wrong with where it is shown.
_WHERE = """() => {
  const one = document.activeElement;
  const label = one.getAttribute("aria-label") || one.labels?.[0]?.textContent || one.textContent || "";
  const told = label.trim().replace(/\\s+/g, " ");
  if (one === document.body) return [told, "", "body"];
  const style = getComputedStyle(one);
  const box = one.getBoundingClientRect();
  const wrong = [];
  const drawn = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
  if (!drawn && one.tagName !== "MAIN") wrong.push("no outline");
  if (box.width < 1 || box.height < 1) wrong.push("no size");
  if (box.bottom < 0 || box.top > innerHeight) wrong.push("out of sight");
  if (one.tabIndex > 0) wrong.push("out of order");
  return [told.slice(0, 200), wrong.join(", "), one.tagName];
}"""

_IS_WITHIN = "(what) => document.activeElement.closest(what) !== null"


class Hands:
    """Somebody at a keyboard. Wherever the focus goes it has to be seen, and nothing may be out of order."""

    def __init__(self, page: Page) -> None:
        self.page = page
        # From the beginning: where the browser is told only as the key is pressed, the key may be quicker.
        page.on("filechooser", lambda chooser: None)

    def come(self, address: str) -> None:
        """Type an address."""
        self.page.goto(address)
        self._look()

    def _look(self) -> None:
        """Wait until the focus is where a page wants it: that is as it is drawn, which may be after it was loaded."""
        self.page.wait_for_function(
            "() => !document.querySelector('[autofocus]') || document.activeElement !== document.body"
        )

    def where(self) -> str:
        """How the element with the focus is called; it has to be seen."""
        told, wrong, tag = self.page.evaluate(_WHERE)
        assert not wrong, f"{self.page.url}: the focus on {tag} {told!r} has {wrong}"
        return str(told)

    def to(self, words: str, back: bool = False, within: str = "body") -> None:
        """Go by Tab to what is called so, a regular expression from its beginning."""
        passed = []
        for _ in range(_MOST_STEPS):
            self.page.keyboard.press("Shift+Tab" if back else "Tab")
            told = self.where()
            if re.match(words, told) and self.page.evaluate(_IS_WITHIN, within):
                return
            passed.append(told[:30])
        raise AssertionError(f"{self.page.url}: Tab does not lead to {words}, but to {passed[:60]}")

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def type(self, text: str) -> None:
        """Type into what has the focus, in place of what stands there."""
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def go(self, words: str, back: bool = False) -> None:
        """Go to a link or a button, press Enter, and wait for the page that comes."""
        self.to(words, back)
        self.enter()

    def enter(self) -> None:
        """Press Enter where it leads to another page, and wait for that."""
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")
        self._look()

    def up(self, words: str) -> None:
        """Go to a link at the top: on from the beginning of a page, back from where one is in it."""
        is_below = self.page.evaluate(_IS_WITHIN, "main")
        self.to(words, back=is_below, within="header, nav.subjects")
        self.enter()

    def subject(self, name: str) -> None:
        """Go to a subject of the firm."""
        self.up(f"{name}$")

    def go_on(self) -> None:
        """Where servers are at it still, wait until they are through, and follow the link that leads on."""
        if self.page.locator("main [data-live]").count():
            self.page.get_by_role("link", name="Go on", exact=True).wait_for()
            self.go("Go on$")

    def choose(self, words: str, option: str) -> None:
        """Go to a list of choices, and choose the first that begins so."""
        self.to(words)
        self.pick(option)

    def pick(self, option: str) -> None:
        """Choose by the arrow keys, in the list in which one is: of letters it forgets those of a second ago."""
        self.press("Home")
        for _ in range(_MOST_STEPS):
            chosen = self.page.evaluate("() => document.activeElement.selectedOptions[0].textContent")
            if chosen.startswith(option):
                return
            self.press("ArrowDown")
        raise AssertionError(f"{self.page.url}: {self.where()} has no {option}")

    def unfold(self, words: str, back: bool = False) -> None:
        """Open what is folded."""
        self.to(words, back)
        self.press("Enter")
        assert self.page.evaluate("() => document.activeElement.parentElement.open")

    def send_file(self, words: str, path: Path) -> None:
        """Choose a file: the dialog is opened by a key, and is the system's."""
        self.to(words)
        with self.page.expect_file_chooser() as chooser:
            self.press("Enter")
        chooser.value.set_files(path)

    def download(self, words: str) -> Download:
        """Go to what gives a file, and take it."""
        self.to(words)
        with self.page.expect_download() as found:
            self.press("Enter")
        return found.value

    def is_refused_at(self, field: str) -> None:
        """The form came back, and the focus is on the first field that is wrong, which tells why."""
        expect(self.page.locator(f"#{field}-wrong")).to_be_visible()
        first = self.page.locator("main [aria-invalid=true]").first
        expect(first).to_have_id(field)
        expect(first).to_be_focused()
        expect(first).to_have_attribute("aria-describedby", re.compile(rf"\b{field}-wrong\b"))

    def reads(self, words: str) -> None:
        """Wait until the page says something."""
        self.page.locator("main").get_by_text(re.compile(words)).first.wait_for()
