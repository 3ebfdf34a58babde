// The answer to a pair before it is sent: verdict, aspects, rationale, an edit; kept on the server as a draft while it is written.
(() => {
  const fresh = () => ({ verdict: "", editing: false, edits: {}, id: loop.id() });
  let said = fresh(), dirty = 0;
  // Corrections that were begun and not sent, by the key of their item: the server keeps no drafts of them, this page does.
  const begun = {};

  const field = (name) => loop.find(`#${name}`);
  const aspects = () => Object.fromEntries(loop.all("#form input[type=radio]:checked").map((box) => [box.name, box.value]));
  const left = () => loop.all("#form fieldset[data-aspect]").find((set) => !set.querySelector(":checked"));
  const rationale = () => field("rationale")?.value.trim() || null;
  const winner = (verdict) => (verdict.startsWith("right") ? "right" : verdict.startsWith("left") ? "left" : "");
  const edited = () => {
    const box = field("edit");
    if (!said.editing || !box) return {};
    const text = box.value.trim();
    return text && text !== loop.now.item.texts[box.dataset.side].trim() ? { edit: text, edited: box.dataset.side } : {};
  };

  // What still has to be said before the answer can go: the first gap, or nothing.
  const gap = () => {
    if (!said.verdict) return ["gap_verdict", loop.find("#verdicts button")];
    if (said.verdict !== "both_bad" && left()) return ["gap_aspect", left().querySelector("input")];
    if (field("rationale")?.required && !rationale()) return ["gap_rationale", field("rationale")];
    return null;
  };
  const mark = () => {
    for (const button of loop.all("#desk [data-act=say]")) {
      const chosen = button.dataset.value === (said.verdict || loop.now.item?.verdict);
      button.setAttribute("aria-pressed", chosen);
    }
    const send = field("send");
    if (send) send.hidden = !said.verdict && !loop.now.item?.past;
    const editor = field("editor");
    if (editor) editor.hidden = !said.editing || !winner(said.verdict);
  };
  const openEditor = () => {
    const box = field("edit"), side = winner(said.verdict);
    if (!side) return loop.line(loop.says("edit_first"));
    if (box.dataset.side !== side) {
      if (box.dataset.side) said.edits[box.dataset.side] = box.value;
      Object.assign(box, { value: said.edits[side] ?? loop.now.item.texts[side] }).dataset.side = side;
    }
    mark();
    box.focus();
    box.setSelectionRange(0, 0);
    box.scrollTop = 0;
  };

  // A verdict is the whole answer where nothing else is asked or begun: then it goes at once.
  loop.acts.say = (verdict) => {
    said.verdict = verdict;
    mark();
    touched();
    if (said.editing) return openEditor();
    const missing = gap();
    if (!missing) return send();
    loop.line(loop.says(missing[0]));
    missing[1].focus();
  };
  const send = () => {
    const missing = gap();
    if (missing) { loop.line(loop.says(missing[0]), true); return missing[1]?.focus(); }
    const { assignment, past } = loop.now.item;
    loop.act("answer", {
      answer: { id: said.id, assignment, verdict: said.verdict, rationale: rationale(), aspects: aspects(), ...edited(),
        active_seconds: loop.spent(), ...(past ? { supersedes: past } : {}) },
    });
  };
  loop.acts.send = () => {
    if (loop.isBusy()) return;
    if (loop.now.item?.kind === "ranking") return loop.rank();
    if (loop.now.item?.kind !== "pair") return;
    said.verdict ||= loop.now.item.verdict ?? "";
    send();
  };
  loop.acts.reason = () => field("rationale")?.focus();
  loop.acts.edit = () => {
    said.editing = !said.editing;
    if (said.editing) return openEditor();
    mark();
    touched();
  };

  // Drafts: sent at most a second after the first unsent change, so that they are on the server within two.
  let timer = null;
  const content = () => {
    const text = field("rationale")?.value ?? "";
    const begun = said.editing && field("edit") ? { edit: field("edit").value, edited: field("edit").dataset.side ?? "" } : {};
    const placed = loop.now.item.kind === "ranking" ? { places: loop.places() } : { verdict: said.verdict, aspects: aspects() };
    return { rationale: text, ...placed, ...begun };
  };
  const keep = async () => {
    timer = null;
    const { assignment, past } = loop.now.item ?? {};
    if (!assignment || past || loop.isBusy() || !dirty) return;
    const sent = dirty;
    const kept = await loop.ask("draft", { assignment, content: content() }).catch(() => null);
    if (loop.now.item?.assignment !== assignment) return;
    if (kept?.kept && dirty === sent) dirty = 0;
    if (!kept) timer = setTimeout(keep, 2000);
    const note = field("kept");
    if (note) note.textContent = kept?.kept ? loop.says("draft_kept") : kept?.line?.text ?? loop.says("draft_waits");
  };
  const touched = loop.touched = () => {
    dirty += 1;
    timer ??= setTimeout(keep, 1000);
    if (loop.now.item?.past) begun[loop.now.item.key] = content();
  };
  document.addEventListener("input", (event) => { if (event.target.closest?.("#form")) touched(); });
  // Sent beside whatever leaves the item: the server keeps a draft in either order.
  loop.flush = () => { if (dirty) { clearTimeout(timer); keep(); } };
  document.addEventListener("visibilitychange", () => { if (document.hidden) loop.flush(); });
  addEventListener("beforeunload", (event) => { if (dirty && !loop.isBusy() && loop.now.item?.kind === "pair" && (rationale() || edited().edit)) { keep(); event.preventDefault(); } });

  // Aspects by key: the digit that stands in front of a choice, and on to the next one.
  loop.aspectKey = (event) => {
    const set = event.target.closest?.("fieldset[data-aspect]");
    const box = set && /^[123]$/.test(loop.key(event)) && set.querySelectorAll("input")[loop.key(event) - 1];
    if (!box) return false;
    box.click();
    const next = left();
    next ? next.querySelector("input").focus() : box.blur();
    return true;
  };
  loop.acts.aspects = () => (left() ?? loop.find("#form fieldset"))?.querySelector("input").focus();

  loop.listeners.push((reply, isFresh) => {
    if (!reply.item) return;
    if (isFresh) {
      clearTimeout(timer);
      timer = null;
      dirty = 0;
      const again = begun[reply.item.key];
      const draft = reply.item.draft = again ?? reply.item.draft ?? {};
      said = { ...fresh(), verdict: draft.verdict ?? "", editing: Boolean(draft.edit) };
      if (again && field("rationale")) field("rationale").value = again.rationale;
      if (again) for (const box of loop.all("#form input[type=radio]")) box.checked = again.aspects?.[box.name] === box.value;
      if (draft.edit && field("edit")) Object.assign(field("edit"), { value: draft.edit }).dataset.side = draft.edited;
    } else if (dirty) {
      timer ??= setTimeout(keep, 1000);
    }
    mark();
  });
})();
