// The keys of the labeler's page, its two panels, and the countdown. Looks elements up on every press: they come and go.
const loop = window.loop = (() => {
  const root = document.documentElement;
  const verdicts = { 1: "left_much", 2: "left", 3: "left_slightly", 4: "tie", 5: "right_slightly", 6: "right", 7: "right_much", 0: "both_bad" };
  const reasons = { 1: "skip_unclear", 2: "skip_knowledge", 3: "skip_language", 4: "skip_upsetting", 5: "skip_broken" };
  const find = (selector) => document.querySelector(selector);
  const press = (id) => {
    const button = find(`button#${id}`);
    if (button && button.offsetParent && !("busy" in root.dataset)) button.click();
  };

  // One id for one showing of an item: however often a key is hit, it is one answer.
  let shown = null, made = null;
  const id = (assignment) => {
    if (shown !== assignment) {
      shown = assignment;
      made = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    }
    return made;
  };
  const unwatched = window.fetch.bind(window);
  let choice = "", away = false;
  const busy = (values) => { root.dataset.busy = ""; choice = values[2]; panel(); return values; };
  const ready = (answered) => {
    delete root.dataset.busy;
    if (!answered) return trouble();
    away = false;
    sessionStorage.removeItem("away");
    find("#trouble")?.remove();
    shown = null;
    document.querySelectorAll("#prompt, .answer").forEach((box) => { box.scrollTop = 0; });
    if (matchMedia("(max-width: 700px)").matches) scrollTo(0, 0);
    count();
  };
  const tell = (which) => {
    const status = find("#status"), text = find("[data-gone]")?.dataset[which];
    if (!status || !text) return;
    const line = find("#trouble") ?? status.appendChild(Object.assign(document.createElement("span"), { id: "trouble" }));
    line.className = which === "back" ? "said" : "bad";
    line.textContent = text;
  };
  const trouble = () => {
    delete root.dataset.busy;
    tell(choice ? "lost" : "gone");
  };
  // A server that is back knows which pair is held: the page is loaded again and says so.
  const wait = () => {
    trouble();
    if (!away) setTimeout(retry, 2000);
    away = true;
    sessionStorage.setItem("away", "");
  };
  const retry = async () => {
    const well = await unwatched("../healthz", { cache: "no-store" }).then((answer) => answer.ok, () => false);
    if (away) well ? location.reload() : setTimeout(retry, 2000);
  };
  // The page framework keeps a failed request to itself.
  window.fetch = async (...given) => {
    const asked = String(given[0]?.url ?? given[0]);
    const ours = asked.includes("/gradio_api/run/");
    try {
      const answer = await unwatched(...given);
      if (ours && answer.status === 401) location.reload();
      else if (ours && !answer.ok) trouble();
      return answer;
    } catch (error) {
      if (ours) wait();
      throw error;
    }
  };

  const panel = (name = "") => {
    const before = root.dataset.panel || "";
    root.dataset.panel = name;
    const first = { reasons: "#reasons button", help: "#help-panel [role=dialog]" }[name];
    if (first) requestAnimationFrame(() => find(first)?.focus());
    if (!name && before) document.activeElement?.blur();
  };
  const toggle = (name) => panel(root.dataset.panel === name ? "" : name);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.id === "skip") toggle("reasons");
    if (button?.id === "skip_cancel") panel();
    if (button?.id === "help") toggle("help");
  });

  document.addEventListener("keydown", (event) => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.closest?.("input, textarea, select, [contenteditable=true]")) return;
    if (event.key === "Escape") return panel();
    const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1];
    const open = root.dataset.panel;
    if (event.key === "?" || event.code === "KeyH") toggle("help");
    else if (open === "reasons" && digit) reasons[digit] && press(reasons[digit]);
    else if (digit) { panel(); verdicts[digit] && press(verdicts[digit]); }
    else if (event.code === "KeyS") press("skip");
    else if (event.code === "KeyU") { panel(); press("undo"); }
    else return;
    event.preventDefault();
  });

  const count = () => {
    const held = find("#held [data-until]");
    if (!held) return;
    const minutes = Math.ceil((held.dataset.until - Date.now() / 1000) / 60 - 0.1);
    held.textContent = minutes > 0 ? held.dataset.held.replace("{m}", minutes) : held.dataset.over;
  };
  setInterval(count, 15000);
  setInterval(() => { if (find("#empty") && !document.hidden) press("look_again"); }, 20000);
  new MutationObserver((_, observer) => {
    const status = find("#status");
    if (!status || !find("[data-gone]")) return;
    status.setAttribute("role", "status");
    status.setAttribute("aria-live", "polite");
    observer.disconnect();
    if (sessionStorage.getItem("away") !== null) tell("back");
    sessionStorage.removeItem("away");
  }).observe(root, { childList: true, subtree: true });

  return {
    answer: (assignment, verdict) => busy([assignment, id(assignment), verdict]),
    skip: (assignment, reason) => busy([assignment, "", reason]),
    plain: (assignment) => busy([assignment, "", ""]),
    ready,
  };
})();
