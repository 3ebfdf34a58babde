// The unsent answer to a pair: verdict, aspects, rationale, edit. The server stores it as a draft while the labeler writes.
(() => {
  const fresh = () => ({ verdict: "", editing: false, edits: {}, id: loop.id() });
  let answer = fresh(), dirty = 0;
  // Unsent corrections by the key of their item. The server stores no drafts of corrections, so this page does.
  const begun = {};

  const field = (name) => loop.find(`#${name}`);
  const aspects = () => Object.fromEntries(loop.all("#form input[type=radio]:checked").map((box) => [box.name, box.value]));
  const left = () => loop.all("#form fieldset[data-aspect]").find((set) => !set.querySelector(":checked"));
  const rationale = () => field("rationale")?.value.trim() || null;
  const winner = (verdict) => (verdict.startsWith("right") ? "right" : verdict.startsWith("left") ? "left" : "");
  const edited = () => {
    const box = field("edit");
    if (!answer.editing || !box) return {};
    const text = box.value.trim();
    return text && text !== loop.now.item.texts[box.dataset.side].trim() ? { edit: text, edited: box.dataset.side } : {};
  };

  // Return the first missing part of the answer, or null.
  const gap = () => {
    if (!answer.verdict) return ["gap_verdict", loop.find("#verdicts button")];
    if (answer.verdict !== "both_bad" && left()) return ["gap_aspect", left().querySelector("input")];
    if (field("rationale")?.required && !rationale()) return ["gap_rationale", field("rationale")];
    return null;
  };
  const mark = () => {
    for (const button of loop.all("#desk [data-act=say]")) {
      const chosen = button.dataset.value === (answer.verdict || loop.now.item?.verdict);
      button.setAttribute("aria-pressed", chosen);
    }
    const send = field("send");
    if (send) send.hidden = !answer.verdict && !loop.now.item?.past;
    const editor = field("editor");
    if (editor) editor.hidden = !answer.editing || !winner(answer.verdict);
  };
  const openEditor = () => {
    const box = field("edit"), side = winner(answer.verdict);
    if (!side) return loop.line(loop.says("edit_first"));
    if (box.dataset.side !== side) {
      if (box.dataset.side) answer.edits[box.dataset.side] = box.value;
      Object.assign(box, { value: answer.edits[side] ?? loop.now.item.texts[side] }).dataset.side = side;
    }
    mark();
    box.focus();
    box.setSelectionRange(0, 0);
    box.scrollTop = 0;
  };

  // If nothing else is required or started, the verdict is the whole answer and is sent at once.
  loop.acts.say = (verdict) => {
    answer.verdict = verdict;
    mark();
    touched();
    if (answer.editing) return openEditor();
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
      answer: { id: answer.id, assignment, verdict: answer.verdict, rationale: rationale(), aspects: aspects(), ...edited(),
        active_seconds: loop.spent(), ...(past ? { supersedes: past } : {}) },
    });
  };
  loop.acts.send = () => {
    if (loop.isBusy()) return;
    if (loop.now.item?.kind === "ranking") return loop.rank();
    if (loop.now.item?.kind !== "pair") return;
    answer.verdict ||= loop.now.item.verdict ?? "";
    send();
  };
  loop.acts.reason = () => field("rationale")?.focus();
  loop.acts.edit = () => {
    answer.editing = !answer.editing;
    if (answer.editing) return openEditor();
    mark();
    touched();
  };

  // A draft is sent at most a second after the first unsent change, so it is on the server within two.
  let timer = null;
  const content = () => {
    const text = field("rationale")?.value ?? "";
    const begun = answer.editing && field("edit") ? { edit: field("edit").value, edited: field("edit").dataset.side ?? "" } : {};
    const placed = loop.now.item.kind === "ranking" ? { places: loop.places() } : { verdict: answer.verdict, aspects: aspects() };
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
  // Sent together with the action that leaves the item; the server accepts both orders.
  loop.flush = () => { if (dirty) { clearTimeout(timer); keep(); } };
  document.addEventListener("visibilitychange", () => { if (document.hidden) loop.flush(); });
  addEventListener("beforeunload", (event) => { if (dirty && !loop.isBusy() && loop.now.item?.kind === "pair" && (rationale() || edited().edit)) { keep(); event.preventDefault(); } });

  // Aspects by key: a digit makes the choice and moves to the next aspect.
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
      answer = { ...fresh(), verdict: draft.verdict ?? "", editing: Boolean(draft.edit) };
      if (again && field("rationale")) field("rationale").value = again.rationale;
      if (again) for (const box of loop.all("#form input[type=radio]")) box.checked = again.aspects?.[box.name] === box.value;
      if (draft.edit && field("edit")) Object.assign(field("edit"), { value: draft.edit }).dataset.side = draft.edited;
    } else if (dirty) {
      timer ??= setTimeout(keep, 1000);
    }
    mark();
  });
})();
