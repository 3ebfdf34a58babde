// Time: the active time on an item while the page is visible and in use, the countdown of the lease, and its heartbeat.
(() => {
  const IDLE = 60_000, GIVEN_UP = 300_000, HEARTBEAT = 60_000;
  let spent = 0, ticked = performance.now(), moved = ticked, ends = Infinity, lastBeat = ticked, warned = false;

  for (const sign of ["pointermove", "pointerdown", "keydown", "wheel", "scroll", "touchstart"]) {
    addEventListener(sign, () => { moved = performance.now(); }, { passive: true, capture: true });
  }
  const seen = () => document.visibilityState === "visible";

  // A step longer than two seconds means that the machine slept or the tab was in the background.
  const tick = () => {
    const moment = performance.now();
    if (seen() && moment - moved < IDLE) spent += Math.min(moment - ticked, 2000);
    ticked = moment;
  };
  const key = () => `spent-${loop.now.item?.assignment}`;
  loop.spent = () => { tick(); return Math.round(spent / 100) / 10; };

  const count = () => {
    const held = loop.find("#held"), left = Math.round((ends - performance.now()) / 1000);
    if (!held || ends === Infinity) return;
    const shown = `${Math.floor(Math.max(0, left) / 60)}:${String(Math.max(0, left) % 60).padStart(2, "0")}`;
    const text = left > 0 ? held.dataset.held.replace("{t}", shown) : held.dataset.over;
    if (held.textContent !== text) held.textContent = text;
    held.classList.toggle("soon", left <= 60);
    if (left <= 0 && !warned) { warned = true; loop.line(loop.says("held_over"), true); }
  };

  const sendHeartbeat = async () => {
    const item = loop.now.item;
    if (!item?.assignment || item.past || !seen() || loop.isBusy()) return;
    const moment = performance.now();
    if (moment - moved > GIVEN_UP || moment - lastBeat < HEARTBEAT) return;
    lastBeat = moment;
    const reply = await loop.ask("beat", { assignment: item.assignment }).catch(() => null);
    if (reply?.line) loop.line(reply.line.text, true);
    if (reply?.left && loop.now.item?.assignment === item.assignment) {
      ends = performance.now() + reply.left * 1000;
      warned = false;
    }
  };

  loop.listeners.push((reply, fresh) => {
    if (!reply.item) return;
    if (fresh) {
      spent = Number(sessionStorage.getItem(key()) || 0);
      ticked = performance.now();
    }
    ends = reply.item.left === undefined ? Infinity : performance.now() + reply.item.left * 1000;
    lastBeat = performance.now();
    warned = false;
    count();
  });
  addEventListener("pagehide", () => { tick(); if (loop.now.item?.assignment) sessionStorage.setItem(key(), spent); });
  document.addEventListener("visibilitychange", () => { tick(); if (seen()) { moved = performance.now(); count(); sendHeartbeat(); } });
  setInterval(() => { tick(); count(); sendHeartbeat(); }, 1000);
  // Without an item, the page checks for new items automatically.
  setInterval(() => { if (loop.now.item?.kind === "empty" && seen()) loop.look(); }, 20_000);
})();
