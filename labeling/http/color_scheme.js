// A choice of this browser, kept in a cookie that every page and the server read.
window.keepChoice = (name, value) => { document.cookie = `${name}=${value}; path=/; max-age=31536000; samesite=lax`; };
// The server writes times in this browser's zone.
keepChoice("zone", Intl.DateTimeFormat().resolvedOptions().timeZone);

// Light, dark, or as the system is set: the choice of this browser, kept in a cookie and shown by every page.
(() => {
  const root = document.documentElement, system = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => /(?:^|; )color_scheme=(light|dark)/.exec(document.cookie)?.[1] ?? "system";
  const apply = () => {
    const dark = chosen() === "system" ? system.matches : chosen() === "dark";
    root.style.colorScheme = dark ? "dark" : "light";
    document.body?.classList.toggle("dark", dark);
    document.querySelectorAll("color-scheme select").forEach((select) => { select.value = chosen(); });
  };
  const choose = (value) => {
    keepChoice("color_scheme", value);
    apply();
  };
  system.addEventListener("change", apply);
  // The framework sets the class by the system alone, when it starts and at each change of the system.
  new MutationObserver(apply).observe(root, { attributes: true, attributeFilter: ["class"], subtree: true });
  customElements.define("color-scheme", class extends HTMLElement {
    connectedCallback() {
      this.hidden = false;
      this.onchange = (event) => choose(event.target.value);
      apply();
    }
  });
  for (const event of ["DOMContentLoaded", "visibilitychange"]) document.addEventListener(event, apply);
  apply();
})();
