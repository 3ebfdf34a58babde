// Keys and buttons. The server writes the key, action and value on each button: data-key, data-act, data-value.

// A Latin letter counts as printed on the key, in any layout. With another alphabet, such as Hangul, the position of the key
// decides. Digits count by position too, because some layouts need Shift for them.
loop.key = (event) => {
  const key = event.key.toLowerCase();
  if (/^[a-z0-9?]$/.test(key)) return key;
  const [, digit, letter] = /^(?:(?:Digit|Numpad)(\d)|Key([A-Z]))$/.exec(event.code) ?? [];
  if (digit) return event.shiftKey || key.length > 1 ? "" : digit;
  if (letter) return key === "process" || key > "\u007f" ? letter.toLowerCase() : "";
  return { arrowleft: "left", arrowright: "right", enter: "enter", escape: "esc" }[key] ?? "";
};

// The keys of the open panel take precedence.
loop.button = (key) => {
  const fits = (place) => loop.all(`${place} [data-key~="${key}"]`).find((button) => button.offsetParent && !button.disabled);
  const open = document.documentElement.dataset.panel;
  return (open && fits(`[data-name="${open}"]`)) || fits("#line") || (["reasons", "flags"].includes(open) && /^\d$/.test(key) ? null : fits("#desk"));
};

loop.press = (button) => {
  if (button.matches("summary")) return button.click();
  if (loop.isBusy() && !["panel", "retry"].includes(button.dataset.act)) return;
  loop.acts[button.dataset.act]?.(button.dataset.value ?? "", button);
};
document.addEventListener("click", (event) => {
  const button = event.target.closest("#desk [data-act]");
  if (!button) return;
  loop.press(button);
  // Otherwise the space bar, meant to scroll, would press the button again on the next item.
  if (event.detail) button.blur();
});
document.addEventListener("keydown", (event) => {
  if (event.repeat || event.isComposing || event.altKey || !loop.find("#desk")) return;
  const typing = event.target.closest?.("textarea, input[type=text], select, [contenteditable=true]");
  const send = event.key === "Enter" && (event.ctrlKey || event.metaKey);
  if (event.key === "Escape") {
    if (typing) typing.blur();
    else if (document.documentElement.dataset.panel) loop.panel("");
    else loop.acts.back?.();
    return;
  }
  if (send) { loop.acts.send?.(); event.preventDefault(); return; }
  if (event.key === "Enter" && event.target.matches?.(".own input")) { loop.press(event.target.nextElementSibling); event.preventDefault(); return; }
  if (typing || event.ctrlKey || event.metaKey) return;
  if (event.target.closest?.("button, a, summary, [role=button]") && /^(Enter| )$/.test(event.key)) return;
  const handled = loop.rankingKey?.(event) || loop.aspectKey?.(event);
  const key = handled ? "" : loop.key(event);
  const button = key && loop.button(key);
  if (button) loop.press(button);
  else if (key === "left") loop.acts.older();
  else if (!handled) return;
  event.preventDefault();
});

// Panels: help, guideline, history, reasons. One panel is open at a time; Escape closes it and restores the focus.
let opener = null;
loop.panel = (name) => {
  const root = document.documentElement, before = root.dataset.panel || "";
  if (name === before) return;
  root.dataset.panel = name;
  loop.all("#desk .panel").forEach((panel) => { panel.hidden = panel.dataset.name !== name; });
  if (name && !before) opener = document.activeElement;
  if (name) requestAnimationFrame(() => loop.find(`[data-name="${name}"]`)?.focus({ preventScroll: true }));
  else if (opener?.isConnected) opener.focus({ preventScroll: true });
};
const unanswered = (problem) => { loop.line(problem.reason ?? loop.says("server_silent"), true); };
loop.acts.panel = async (name) => {
  if (document.documentElement.dataset.panel === name) return loop.panel("");
  const panel = loop.find(`[data-name="${name}"]`);
  if (panel.dataset.asks) {
    const reply = await loop.ask(name, { assignment: loop.now.item?.assignment }).catch(unanswered);
    if (!reply) return;
    loop.place(reply);
  }
  loop.panel(name);
};
loop.acts.close = () => loop.panel("");

// The display mode is a personal setting of this browser. Differences are shown for one item only.
let differences = false;
loop.view = (next = false) => (differences && !next ? "differences" : loop.stored((store) => store.getItem("view")) || "");
loop.acts.view = (value) => { loop.stored((store) => store.setItem("view", value)); differences = false; loop.again(); };
loop.acts.differences = () => { differences = !differences; loop.again(); };
loop.listeners.push((_, fresh) => {
  if (!fresh) return;
  differences = false;
  for (const words of loop.all(".own input")) words.value = "";
});
loop.again = () => (loop.now.item?.past ? walk("past", { assignment: loop.now.item.assignment, view: loop.view() }) : loop.look());

// The line on the starter's invented words is shown until this browser hides it.
if (loop.stored((store) => store.getItem("invented"))) document.documentElement.dataset.invented = "known";
loop.acts.hide_invented = () => {
  document.documentElement.dataset.invented = "known";
  loop.stored((store) => store.setItem("invented", "known"));
};
loop.acts.look = () => loop.look();
loop.acts.language = (value) => {
  keepChoice("language", value);
  loop.again();
};
// A skip cannot be undone. A second press of undo withdraws the answer before it.
let over = "";
loop.acts.undo = () => { loop.flush(); loop.act("undo", { over }); };
loop.listeners.push((reply) => { over = reply.skipped ?? ""; });
loop.acts.skip = (reason) => loop.act("skip", { assignment: loop.now.item.assignment, reason });
loop.acts.flag = (reason) => loop.act("flag", { assignment: loop.now.item.assignment, reason });
loop.acts.words = (verb, button) => {
  const reason = button.closest(".panel").querySelector("input[type=text]").value.trim();
  if (reason) loop.acts[verb](reason);
};

// Navigation through the labeler's own answers, from the newest back, and forward to the open item.
let trail = [];
const walk = async (verb, body) => {
  loop.panel("");
  loop.flush();
  const reply = await loop.ask(verb, { view: loop.view(true), ...body }).catch(unanswered);
  if (reply) loop.show(reply);
  return reply;
};
loop.acts.past = (assignment) => { trail = []; return walk("past", { assignment }); };
loop.acts.older = async () => {
  const { past, assignment } = loop.now.item ?? {};
  const reply = await walk("older", { before: past ? assignment : "" });
  if (reply?.item && past) trail.push(assignment);
};
loop.acts.newer = () => (trail.length ? walk("past", { assignment: trail.pop() }) : loop.acts.back());
loop.acts.back = () => {
  trail = [];
  if (loop.now.item?.past) loop.look(" ");
};
