/**
 * The theme of a page: what the reader chose last on this machine, else what the system says.
 *
 * A classic script for the head, `<script src="/theme.js"></script>`, so that the choice stands before the first paint.
 * Any `<button data-theme-toggle>` switches between light and dark; scripts do it by `harpoonTheme.toggle()`. After a
 * change the document hears `themechange`, whose `detail` is "light" or "dark".
 */
(() => {
  const KEY = "harpoon.theme";
  const THEMES = ["light", "dark"];
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");

  // A browser may refuse storage altogether; then the choice lasts as long as the page.
  function kept() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  }

  function keep(theme) {
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      return;
    }
  }

  function current() {
    return THEMES.includes(root.dataset.theme) ? root.dataset.theme : system.matches ? "dark" : "light";
  }

  function describe() {
    const next = current() === "dark" ? "light" : "dark";
    for (const button of document.querySelectorAll("[data-theme-toggle]")) {
      button.setAttribute("aria-label", `Switch to the ${next} theme`);
      button.title = `Switch to the ${next} theme`;
    }
  }

  function tell() {
    describe();
    document.dispatchEvent(new CustomEvent("themechange", { detail: current() }));
  }

  function set(theme) {
    if (!THEMES.includes(theme)) return;
    root.dataset.theme = theme;
    keep(theme);
    tell();
  }

  const chosen = kept();
  if (THEMES.includes(chosen)) root.dataset.theme = chosen;
  globalThis.harpoonTheme = { current, set, toggle: () => set(current() === "dark" ? "light" : "dark") };
  system.addEventListener("change", () => root.dataset.theme || tell());
  addEventListener("storage", (event) => event.key === KEY && event.newValue && set(event.newValue));
  document.addEventListener("DOMContentLoaded", describe);
  document.addEventListener("click", (event) => {
    if (event.target instanceof Element && event.target.closest("[data-theme-toggle]")) globalThis.harpoonTheme.toggle();
  });
})();
