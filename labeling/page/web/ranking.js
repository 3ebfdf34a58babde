// Rankings: cards move by drag and by key; a card dropped on another one is a tie.
(() => {
  let rows = [], chosen = null, warned = false, started = "", id = "";
  const cards = () => rows.flat();
  const isOn = () => loop.now.item?.kind === "ranking";
  const row = (card) => rows.findIndex((each) => each.includes(card));
  const written = () => rows.map((each) => each.join("=")).join(">");

  const clean = () => { rows = rows.filter((each) => each.length); };
  const take = (card) => {
    const from = rows[row(card)];
    from.splice(from.indexOf(card), 1);
  };
  // Insert the card as a row of its own before the row with this index.
  const put = (card, index) => {
    const alone = rows[row(card)].length === 1, from = row(card);
    take(card);
    rows.splice(index, 0, [card]);
    clean();
    return alone && from < index ? index - 1 : index;
  };
  const tie = (card, other) => {
    if (row(card) === row(other)) return;
    if (!loop.now.item.ties) return put(card, row(other));
    take(card);
    rows[row(other)].push(card);
    clean();
  };

  const draw = (focus = true) => {
    const list = loop.find("#ranks");
    rows.forEach((each, place) => {
      const item = list.children[place] ?? list.appendChild(document.createElement("li"));
      item.className = "place";
      item.dataset.place = place + 1;
      for (const card of each) item.append(loop.find(`#ranks [data-card="${card}"]`) ?? "");
    });
    [...list.children].slice(rows.length).forEach((item) => { if (!item.querySelector("[data-card]")) item.remove(); });
    loop.all("#ranks [data-card]").forEach((card) => {
      const place = row(card.dataset.card) + 1;
      card.classList.toggle("chosen", card.dataset.card === chosen);
      card.tabIndex = card.dataset.card === chosen ? 0 : -1;
      card.setAttribute("aria-label", `${card.dataset.name}, ${loop.says("place").replace("{n}", place)}${rows[place - 1].length > 1 ? `, ${loop.says("tied")}` : ""}`);
    });
    const card = loop.find("#ranks .chosen");
    if (focus && card) card.focus({ preventScroll: false });
  };
  const moved = () => {
    const place = row(chosen) + 1;
    const name = loop.find(`#ranks [data-card="${chosen}"]`).dataset.name;
    warned = false;
    draw();
    loop.line(`${name}: ${loop.says("place").replace("{n}", place)}${rows[place - 1].length > 1 ? `, ${loop.says("tied")}` : ""}.`);
    loop.touched();
  };

  const step = (by) => {
    const all = cards();
    chosen = all[Math.min(all.length - 1, Math.max(0, all.indexOf(chosen) + by))];
    draw();
  };
  const shift = (by) => {
    const at = row(chosen), alone = rows[at].length === 1;
    if (by < 0 && (at > 0 || !alone)) put(chosen, alone ? at - 1 : at);
    else if (by > 0 && (at < rows.length - 1 || !alone)) put(chosen, alone ? at + 2 : at + 1);
    moved();
  };
  const stack = () => {
    const at = row(chosen);
    if (rows[at].length > 1) put(chosen, at + 1);
    else if (at > 0 && loop.now.item.ties) tie(chosen, rows[at - 1][0]);
    moved();
  };
  const goTo = (place) => {
    const from = row(chosen), alone = rows[from].length === 1;
    const index = Math.min(place - 1, rows.length);
    put(chosen, alone && from < index ? index + 1 : index);
    moved();
  };
  loop.rankingKey = (event) => {
    if (!isOn() || !rows.length || document.documentElement.dataset.panel) return false;
    const key = event.key.startsWith("Arrow") ? { ArrowDown: "j", ArrowUp: "k" }[event.key] ?? "" : loop.key(event);
    if (key === "j") event.shiftKey ? shift(1) : step(1);
    else if (key === "k") event.shiftKey ? shift(-1) : step(-1);
    else if (key === "t") stack();
    else if (/^[1-9]$/.test(key) && Number(key) <= cards().length) goTo(Number(key));
    else return false;
    return true;
  };

  // Drag with any pointer. The middle of another card makes a tie; its upper or lower part makes a place of its own.
  let drag = null;
  const target = (y) => {
    for (const item of loop.all("#ranks .place")) {
      const box = item.getBoundingClientRect();
      if (y < box.top || y > box.bottom) continue;
      const part = (y - box.top) / box.height;
      return { item, how: part < 0.3 ? "before" : part > 0.7 ? "after" : "tie" };
    }
    return null;
  };
  const unmark = () => loop.all("#ranks .place").forEach((item) => item.classList.remove("before", "after", "tie"));
  document.addEventListener("pointerdown", (event) => {
    const card = event.target.closest?.("#ranks [data-card]");
    // The first click on a summary would be lost: `draw` moves it between press and release.
    if (!card || event.button || event.target.closest("summary")) return;
    chosen = card.dataset.card;
    draw(false);
    if (!event.target.closest(".grip") && event.pointerType !== "mouse") return;
    drag = { card, y: event.clientY, on: false };
  });
  document.addEventListener("pointermove", (event) => {
    if (!drag) return;
    if (!drag.on && Math.abs(event.clientY - drag.y) < 6) return;
    drag.on = true;
    drag.card.classList.add("dragged");
    drag.card.style.transform = `translateY(${event.clientY - drag.y}px)`;
    unmark();
    const over = target(event.clientY);
    if (over && over.item !== drag.card.parentElement) over.item.classList.add(over.how);
    event.preventDefault();
  });
  const drop = (event) => {
    if (!drag) return;
    const { card, on } = drag;
    drag = null;
    card.classList.remove("dragged");
    card.style.transform = "";
    unmark();
    const over = on && event.type === "pointerup" ? target(event.clientY) : null;
    if (!over) return;
    const other = rows[over.item.dataset.place - 1];
    if (over.how === "tie") { if (!other.includes(chosen)) tie(chosen, other[0]); }
    else put(chosen, over.item.dataset.place - (over.how === "before" ? 1 : 0));
    moved();
  };
  document.addEventListener("pointerup", drop);
  document.addEventListener("pointercancel", drop);

  // Return the place of each answer, in the order shown.
  loop.places = () => cards().sort((a, b) => a - b).map((card) => row(card) + 1);
  const answer = (verdict) => {
    const { assignment, past } = loop.now.item;
    const rationale = loop.find("#rationale");
    if (rationale?.required && !rationale.value.trim()) { loop.line(loop.says("gap_rationale"), true); return rationale.focus(); }
    return loop.act("rank", {
      answer: { id, assignment, places: verdict === "ranked" ? loop.places() : [], all_bad: verdict === "all_bad", rationale: rationale?.value.trim() || null,
        active_seconds: loop.spent(), ...(past ? { supersedes: past } : {}) },
    });
  };
  loop.rank = () => {
    if (written() === started && !warned && !loop.now.item.past) {
      warned = true;
      return loop.line(loop.says("unchanged"), true);
    }
    return answer("ranked");
  };
  loop.acts.rank = (verdict) => (verdict === "ranked" ? loop.rank() : answer(verdict));

  loop.listeners.push((reply, fresh) => {
    if (reply.item?.kind !== "ranking" || (!fresh && loop.find("#ranks .place"))) return;
    const shown = loop.all("#ranks [data-card]").map((card) => card.dataset.card);
    if (fresh) [id, warned] = [loop.id(), false];
    const places = reply.item.draft?.places ?? [];
    started = shown.join(">");
    if (fresh || !rows.length || shown.some((card) => row(card) < 0)) {
      const place = (card) => places[card] ?? shown.indexOf(card) + 1;
      rows = [...new Set(shown.map(place))].sort((a, b) => a - b).map((n) => shown.filter((card) => place(card) === n));
      chosen = rows[0][0];
    }
    draw(fresh);
  });
})();
loop.start();
