// What makes pages nicer; every page works without it.
"use strict";

// Parts that stay fresh: <div data-live="/console/firm/…" data-every="1000">. What has the focus keeps it, and a part
// in which somebody types or has a button down, or a tab that nobody sees, waits.
function live(part) {
  const every = Number(part.dataset.every) || 1000;
  let tag = "";
  let failures = 0;

  async function once() {
    if (document.hidden || isHeld(part)) return;
    const headers = tag ? { "If-None-Match": tag } : {};
    const reply = await fetch(part.dataset.live, { headers, cache: "no-store", redirect: "manual" });
    if (reply.type === "opaqueredirect" || reply.status === 401 || reply.status === 403) {
      location.reload(); // signed out: the page says so
      return;
    }
    if (reply.status === 304) return;
    if (!reply.ok) throw new Error(String(reply.status));
    const html = await reply.text();
    if (isHeld(part)) return; // since it was asked for: the next one will do
    tag = reply.headers.get("ETag") || "";
    swap(part, html);
  }

  async function go() {
    try {
      await once();
      failures = 0;
      part.removeAttribute("data-stale");
    } catch {
      failures += 1;
      if (failures > 2) part.setAttribute("data-stale", "");
    }
    setTimeout(go, Math.min(every * 2 ** failures, 30000));
  }
  setTimeout(go, every);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) once().catch(() => {}); });
}

function isHeld(part) {
  const focused = document.activeElement;
  const types = part.contains(focused) && focused.matches("input, select, textarea");
  return types || part.querySelector(":active") !== null; // what is pressed has to be there when it is let go
}

// How something is found again in what comes in its place.
function called(one) {
  return one.id || `${one.tagName} ${one.getAttribute("href")} ${one.textContent}`;
}

function swap(part, html) {
  const focused = part.contains(document.activeElement) ? called(document.activeElement) : "";
  const open = new Set([...part.querySelectorAll("details[open][id]")].map((one) => one.id));
  const { scrollLeft, scrollTop } = part;
  part.innerHTML = html;
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  part.scrollLeft = scrollLeft;
  part.scrollTop = scrollTop;
  const again = focused && [...part.querySelectorAll("a, button, summary, [tabindex]")].find((one) => called(one) === focused);
  if (again) again.focus({ preventScroll: true });
}

for (const part of document.querySelectorAll("[data-live]")) live(part);

// A form is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
});
addEventListener("pageshow", () => { for (const form of document.forms) delete form.dataset.sent; });

// Menus close by Escape, and when one goes elsewhere.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});

// Next and previous of a list by the keys j and k, where nobody is typing.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
  const link = document.querySelector(`a[data-key="${CSS.escape(event.key)}"]`);
  if (link) link.click();
});

// Lists in an order, <ol data-order="id of a form">: items are dragged by their grip, or moved by the arrow keys on it.
// Each holds a field of the form, so that the form sends the order in which they stand.
function ordered(list) {
  const form = document.getElementById(list.dataset.order);
  const save = document.getElementById(`${form.id}-save`);
  const told = document.getElementById(`${form.id}-told`);
  let dragged = null;

  function moved(item) {
    const items = [...list.children];
    const grip = item.querySelector(".grip");
    told.textContent = `${grip.dataset.name}: ${items.indexOf(item) + 1} of ${items.length}`;
    save.hidden = false;
  }
  for (const item of list.children) {
    const grip = item.querySelector(".grip");
    if (!grip) continue;
    grip.hidden = false;
    grip.addEventListener("keydown", (event) => {
      const other = { ArrowUp: item.previousElementSibling, ArrowDown: item.nextElementSibling }[event.key];
      if (!other) return;
      event.preventDefault();
      if (event.key === "ArrowUp") other.before(item);
      else other.after(item);
      grip.focus();
      moved(item);
    });
    grip.addEventListener("pointerdown", () => { item.draggable = true; });
    item.addEventListener("dragstart", (event) => {
      dragged = item;
      event.dataTransfer.effectAllowed = "move";
    });
    item.addEventListener("dragover", (event) => {
      if (!dragged) return;
      event.preventDefault();
      if (dragged === item) return;
      const { top, height } = item.getBoundingClientRect();
      if (event.clientY < top + height / 2) item.before(dragged);
      else item.after(dragged);
    });
    item.addEventListener("dragend", () => {
      item.draggable = false;
      if (dragged) moved(dragged);
      dragged = null;
    });
  }
  list.addEventListener("drop", (event) => event.preventDefault());
}
for (const list of document.querySelectorAll("[data-order]")) ordered(list);

// What is shown once is copied by a button: <button data-copy="id">.
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
    button.textContent = "Copied";
  });
}
