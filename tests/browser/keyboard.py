"""Hands that have a keyboard and nothing else: they go by Tab, and see where they are."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page

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


class Hands:
    """Somebody at a keyboard. Wherever the focus goes it has to be seen, and nothing may be out of order."""

    def __init__(self, page: Page) -> None:
        self.page = page
        # From the beginning: where the browser is told only as the key is pressed, the key may be quicker.
        page.on("filechooser", lambda chooser: None)

    def where(self) -> str:
        """How the element with the focus is called; it has to be seen."""
        told, wrong, tag = self.page.evaluate(_WHERE)
        assert not wrong, f"{self.page.url}: the focus on {tag} {told!r} has {wrong}"
        return str(told)

    def to(self, words: str, back: bool = False) -> None:
        """Go by Tab to what is called so, a regular expression from its beginning."""
        passed = []
        for _ in range(_MOST_STEPS):
            self.page.keyboard.press("Shift+Tab" if back else "Tab")
            told = self.where()
            if re.match(words, told):
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

    def enter(self, key: str = "Enter") -> None:
        """Press what leads to another page, and wait for it."""
        with self.page.expect_navigation(wait_until="load"):
            self.page.keyboard.press(key)
        # A page puts the focus where it wants it as it is drawn, which may be later.
        self.page.wait_for_function(
            "() => !document.querySelector('[autofocus]') || document.activeElement !== document.body"
        )

    def choose(self, words: str, option: str) -> None:
        """Go to a list of choices, and choose by typing how one of them begins."""
        self.to(words)
        self.page.keyboard.type(option)
        chosen = self.page.evaluate("() => document.activeElement.selectedOptions[0].textContent")
        assert chosen.startswith(option), f"{words}: {chosen}"

    def unfold(self, words: str) -> None:
        """Open what is folded."""
        self.to(words)
        self.press("Enter")
        assert self.page.evaluate("() => document.activeElement.parentElement.open")

    def send_file(self, words: str, path: Path) -> None:
        """Choose a file: the dialog is opened by a key, and is the system's."""
        self.to(words)
        with self.page.expect_file_chooser() as chooser:
            self.press("Enter")
        chooser.value.set_files(path)

    def subject(self, name: str) -> None:
        """Go to a subject of the firm by the links at the top."""
        self.page.keyboard.press("Escape")
        self.page.evaluate("() => document.activeElement.blur()")  # as at the beginning of a page
        self.go(f"{name}$")

    def is_refused_at(self, field: str) -> None:
        """The form came back, and the focus is on the first field that is wrong, which tells why."""
        self.page.wait_for_selector(f"#{field}-wrong")
        first = self.page.evaluate("() => document.querySelector('main [aria-invalid=true]').id")
        here = self.page.evaluate("() => document.activeElement.id")
        told = self.page.evaluate("() => document.activeElement.getAttribute('aria-describedby')")
        assert (here, first) == (field, field)
        assert f"{field}-wrong" in told

    def reads(self, words: str) -> None:
        """Wait until the page says something."""
        self.page.locator("main, [role=status]").get_by_text(re.compile(words)).first.wait_for(timeout=15_000)
