((pages) => {
  const EVERY = 2000, WRITING = 300;
  // The framework observes the plain objects of its configuration. Its parts never change, so they need not be observed:
  // each handler is read once for every component.
  const { dependencies = [], components = [] } = window.gradio_config ?? {};
  for (const fixed of [...dependencies, ...components, ...components.map(({ props }) => props)]) Object.setPrototypeOf(fixed, null);
  const look = () => document.hidden || document.querySelector(`#look-${document.documentElement.dataset.page}`)?.click();
  // An element may come later than the event that needs it: the framework mounts a page piece by piece.
  const present = async (selector) => {
    while (!document.querySelector(selector)) await new Promise(requestAnimationFrame);
    return document.querySelector(selector);
  };
  // The page on the screen was opened: it is mounted and reads the store now and every two seconds, unless the tab is hidden.
  window.openPage = async () => {
    (await present("#mount")).click();
    document.querySelector(`#open-${document.documentElement.dataset.page}`)?.click();
    look();
  };
  // A page is shown once: to show it again would show what is hidden on it.
  const mounted = new Set(), shown = { __type__: "update", visible: true };
  window.mountPage = () => pages.map((page) => {
    if (page !== document.documentElement.dataset.page || mounted.has(page)) return undefined;
    mounted.add(page);
    return shown;
  });
  setInterval(look, EVERY);
  // Answers that are being written are read more often; a page that is not on the screen is left alone.
  setInterval(() => {
    if (document.querySelector(".replies[data-busy]")?.offsetParent) look();
  }, WRITING);
  document.addEventListener("visibilitychange", look);
  // The address is #PAGE or #PAGE/CHOSEN; it alone says what is chosen. A malformed one chooses nothing.
  const address = () => {
    const [page, ...chosen] = location.hash.slice(1).split("/");
    try { return [page, decodeURIComponent(chosen.join("/"))]; } catch { return [page, ""]; }
  };
  window.chosenOn = (page) => address()[0] === page ? address()[1] : "";
  window.choose = (page, chosen) => { if (chosen && chosen !== chosenOn(page)) location.hash = `${page}/${encodeURIComponent(chosen)}`; };
  // The kind whose form is on the screen, a frame after its tab was chosen. The tab itself may be in the menu of further tabs.
  window.openTab = async () => {
    await new Promise(requestAnimationFrame);
    return [...document.querySelectorAll("#kinds [role=tabpanel][id^=kind-]")].find((form) => form.offsetParent)?.id.slice("kind-".length) ?? "";
  };
  // The charts of the Runs page load with the first run that is shown. `charted` is a list of runs and how far they are.
  window.showCharts = async (charted) => {
    const [charts] = await Promise.all([import("./charts/charts.js"), present("#charts")]);
    charts.show(charted.split(" ")[0]);
  };
  const show = () => {
    const wanted = address()[0];
    const page = pages.includes(wanted) ? wanted : pages[0];
    document.documentElement.dataset.page = page;
    if (document.body) document.body.lang = LANGUAGE; // the framework gives <html> the browser's
    document.querySelectorAll("#nav a").forEach((link) => {
      if (link.getAttribute("href") !== "#" + page) return link.removeAttribute("aria-current");
      link.setAttribute("aria-current", "page");
      link.scrollIntoView({ block: "nearest", inline: "center" });
    });
    requestAnimationFrame(() => window.dispatchEvent(new Event("resize")));
  };
  // A chosen file goes to the home's import folder as it is; the page then looks at the folder again.
  window.sendFile = async (input) => {
    const told = document.querySelector("#data-sent"), file = input.files[0];
    if (!file) return;
    told.textContent = `${file.name}: ${told.dataset.sending}`;
    try {
      const answer = await fetch(`data/upload?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file });
      const said = await answer.json();
      told.textContent = answer.ok ? `${said.name}: ${told.dataset.done}` : `${said.error}. ${said.remedy ?? ""}`;
    } catch { told.textContent = told.dataset.failed; }
    input.value = "";
    look();
  };
  // All rows of a table as a file. A spreadsheet would run a text that begins like a formula, so it gets a quote first.
  const csvCell = (cell) => {
    const text = String(cell ?? ""), formula = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text));
    return `"${(formula ? `'${text}` : text).replaceAll('"', '""')}"`;
  };
  window.saveTable = (name, { headers, data }) => {
    const lines = [headers, ...data].map((row) => row.map(csvCell).join(","));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff", lines.join("\r\n"), "\r\n"], { type: "text/csv" }));
    link.download = `${name}.csv`;
    link.click();
    URL.revokeObjectURL(link.href);
  };
  // A button that the server draws inside a text presses the hidden one of its name.
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-press]");
    if (button) document.querySelector(`#${button.dataset.press}`)?.click();
    const language = event.target.closest("[data-language]")?.dataset.language;
    if (language) {
      keepChoice("language", language);
      location.reload();
    }
    // A box above a list checks all boxes of the list.
    if (event.target.matches("[data-check-all]")) {
      event.target.closest(".imported").querySelectorAll("[name=row]").forEach((box) => { box.checked = event.target.checked; });
    }
    // A table's row is chosen wherever it is clicked, if its own link stays on the page.
    if (event.target.closest("a")) return;
    event.target.closest("[role=row]")?.querySelector(`a.id[href^="#${document.documentElement.dataset.page}/"]`)?.click();
  });
  window.addEventListener("hashchange", () => {
    const before = document.documentElement.dataset.page;
    show();
    if (before === document.documentElement.dataset.page) return look();
    window.scrollTo(0, 0);
    openPage();
  });
  // The framework names its search field by a title alone, in the browser's language.
  const nameSearches = () => document.querySelectorAll(".search-input:not([aria-label])").forEach((field) => {
    field.setAttribute("aria-label", SEARCH);
    field.placeholder = SEARCH;
    field.removeAttribute("title");
  });
  new MutationObserver(() => { nameSearches(); if (document.querySelector("#nav a:not([data-seen])")) {
    document.querySelectorAll("#nav a").forEach((link) => { link.dataset.seen = ""; }); show(); } })
    .observe(document.documentElement, { childList: true, subtree: true });
  show();
})(PAGES);
