/** Which section is shown, and which key leads where. The functions at the top are pure. */

import { byId } from "./dom.js";

const STEPS = { ArrowRight: 1, PageDown: 1, ArrowLeft: -1, PageUp: -1 };
const COMMANDS = { "?": "help", n: "script", s: "split", t: "theme" };
const OFF = "harpoon.slides.keys";

/**
 * What a key means: `{ section }` to go to, `{ command }` to do, or null for a key that is not ours.
 *
 * @param {string} key as KeyboardEvent.key has it
 * @param {number} current index of the section shown
 * @param {number} count how many sections there are
 */
export function meaningOf(key, current, count) {
  if (key in STEPS) return { section: Math.min(count - 1, Math.max(0, current + STEPS[key])) };
  if (key === "Home") return { section: 0 };
  if (key === "End") return { section: count - 1 };
  if (/^[0-9]$/.test(key)) {
    const section = (Number(key) + 9) % 10;
    return section < count ? { section } : null;
  }
  const command = COMMANDS[key.length === 1 ? key.toLowerCase() : key];
  return command ? { command } : null;
}

/** The section whose top is the last one above the line at `line`; the last one at the end of the page. */
export function sectionAt(tops, line, isEnd) {
  if (isEnd) return tops.length - 1;
  let found = 0;
  tops.forEach((top, at) => {
    if (top <= line) found = at;
  });
  return found;
}

/** How far the page is read, 0 to 1. */
export function progressOf(scrolled, height, shown) {
  return height <= shown ? 1 : Math.min(1, Math.max(0, scrolled / (height - shown)));
}

/** Whether a key belongs to what has the focus: fields, and what takes arrows itself. */
export function isTaken(target, key) {
  if (!(target instanceof Element)) return false;
  if (target.closest("input, textarea, select, [contenteditable], dialog[open]")) return true;
  return /^(Arrow|Page|Home|End)/.test(key) && target.closest("[role=separator], .table-wrap, .sample pre") !== null;
}

function kept() {
  try {
    return localStorage.getItem(OFF) !== "off";
  } catch {
    return true;
  }
}

/** Wire links, keys, progress and the mark of the section shown. Args: commands: what each command does. */
export function startNavigation(commands) {
  const links = [...document.querySelectorAll("#sections a")];
  const sections = links.map((link) => byId(link.hash.slice(1)));
  const bar = byId("progress-bar");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let current = 0;
  let waiting = false;

  function show() {
    waiting = false;
    const root = document.documentElement;
    const tops = sections.map((section) => section.getBoundingClientRect().top);
    const isEnd = scrollY + innerHeight >= root.scrollHeight - 2;
    const found = sectionAt(tops, innerHeight * 0.35, isEnd);
    bar.style.transform = `scaleX(${progressOf(scrollY, root.scrollHeight, innerHeight)})`;
    if (found === current && links[found].hasAttribute("aria-current")) return;
    current = found;
    links.forEach((link, at) =>
      at === found ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current"),
    );
    const strip = links[found].parentElement.parentElement;
    strip.scrollTo({ left: links[found].offsetLeft - strip.clientWidth / 2 + links[found].clientWidth / 2 });
  }

  function go(at) {
    history.replaceState(null, "", links[at].hash);
    // Only a step glides: a flight over many sections makes those who watch wait.
    sections[at].scrollIntoView({ behavior: Math.abs(at - current) === 1 && !still.matches ? "smooth" : "instant" });
    // The next key may come before the next frame.
    current = at;
    sections[at].querySelector("h1, h2").focus({ preventScroll: true });
  }

  addEventListener(
    "scroll",
    () => {
      if (!waiting) requestAnimationFrame(show);
      waiting = true;
    },
    { passive: true },
  );
  addEventListener("resize", show);
  const toggle = byId("keys-on");
  toggle.checked = kept();
  toggle.addEventListener("change", () => {
    try {
      localStorage.setItem(OFF, toggle.checked ? "on" : "off");
    } catch {
      return;
    }
  });
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTaken(event.target, event.key))
      return;
    // Home and End belong to the browser; they are listed for the pure function alone.
    if (event.key === "Home" || event.key === "End" || !toggle.checked) return;
    const meaning = meaningOf(event.key, current, sections.length);
    if (!meaning) return;
    event.preventDefault();
    if ("section" in meaning) go(meaning.section);
    else commands[meaning.command]();
  });
  show();
  return {
    go: (id) =>
      go(
        Math.max(
          0,
          sections.findIndex((section) => section.id === id),
        ),
      ),
  };
}
