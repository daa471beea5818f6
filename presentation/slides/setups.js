/** How the page stands beside the demo (split, single, two tabs), its dialogs, the script, and printing. */

import { toFragment } from "../demo/history.js";
import { keepToken, token } from "./api.js";
import { byId } from "./dom.js";

/** The share of the width that the demo has, kept between a fifth and four fifths. */
export const clampShare = (percent) => Math.min(80, Math.max(20, Math.round(percent)));

function startSplit() {
  const pane = byId("demo-pane");
  const frame = byId("demo-frame");
  const handle = byId("split-handle");
  const buttons = [...document.querySelectorAll("[data-setup]")];
  let share = 50;

  function size(percent) {
    share = clampShare(percent);
    document.documentElement.style.setProperty("--demo-share", `${share}%`);
    handle.setAttribute("aria-valuenow", String(share));
  }

  function set(setup) {
    const isSplit = setup === "split";
    document.body.classList.toggle("split", isSplit);
    pane.hidden = !isSplit;
    if (isSplit && !frame.src) frame.src = "/";
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.setup === setup));
    dispatchEvent(new Event("resize"));
  }

  for (const button of buttons) button.addEventListener("click", () => set(button.dataset.setup));
  const move = (event) => size(100 - (100 * event.clientX) / innerWidth);
  handle.addEventListener("pointerdown", (event) => {
    handle.setPointerCapture(event.pointerId);
    document.body.classList.add("sizing");
    handle.addEventListener("pointermove", move);
  });
  handle.addEventListener("lostpointercapture", () => {
    document.body.classList.remove("sizing");
    handle.removeEventListener("pointermove", move);
  });
  handle.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: 5, ArrowRight: -5 }[event.key];
    if (step) size(share + step);
  });
  for (const button of document.querySelectorAll("[data-demo]")) {
    button.addEventListener("click", () => {
      const texts = JSON.parse(button.dataset.demo);
      frame.src = `/${toFragment(texts)}`;
      set("split");
    });
  }
  size(50);
  return () => set(document.body.classList.contains("split") ? "single" : "split");
}

function startScript() {
  const panel = byId("script");
  const steps = [...panel.querySelectorAll(".step")];
  const button = byId("script-toggle");
  let at = 0;

  function show(next) {
    at = Math.min(steps.length - 1, Math.max(0, next));
    steps.forEach((step, number) => (step.hidden = number !== at));
    byId("script-place").textContent = `${at + 1} of ${steps.length}`;
    byId("script-back").disabled = at === 0;
    byId("script-next").disabled = at === steps.length - 1;
  }

  function toggle() {
    panel.hidden = !panel.hidden;
    button.setAttribute("aria-expanded", String(!panel.hidden));
    if (!panel.hidden) panel.querySelector("h2").focus();
    else button.focus();
  }

  button.addEventListener("click", toggle);
  byId("script-close").addEventListener("click", toggle);
  byId("script-back").addEventListener("click", () => show(at - 1));
  byId("script-next").addEventListener("click", () => show(at + 1));
  panel.addEventListener("keydown", (event) => event.key === "Escape" && toggle());
  for (const copy of panel.querySelectorAll("[data-copy]")) {
    copy.addEventListener("click", async () => {
      await navigator.clipboard?.writeText(byId(copy.dataset.copy).textContent);
      copy.textContent = "Copied";
      setTimeout(() => (copy.textContent = "Copy"), 1500);
    });
  }
  show(0);
  return toggle;
}

function startToken(onToken) {
  const bar = byId("token-bar");
  const form = byId("token-form");
  document.addEventListener("token-wanted", () => (bar.hidden = false));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    keepToken(byId("token").value.trim());
    byId("token").value = "";
    bar.hidden = Boolean(token());
    if (token()) onToken();
  });
}

function startPrint() {
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("main details:not([open], .on-screen)")];
    for (const one of opened) one.open = true;
  });
  addEventListener("afterprint", () => {
    for (const one of opened) one.open = false;
  });
  byId("print").addEventListener("click", () => print());
}

/** Wire all of it. Args: onToken: called once a token was given. Returns what the keys do. */
export function startSetups(onToken) {
  const help = byId("help");
  const openHelp = () => (help.open ? help.close() : help.showModal());
  byId("help-toggle").addEventListener("click", openHelp);
  byId("help-close").addEventListener("click", () => help.close());
  startToken(onToken);
  startPrint();
  return { help: openHelp, split: startSplit(), script: startScript(), theme: () => globalThis.harpoonTheme.toggle() };
}
