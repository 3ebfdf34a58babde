// A run that ends is counted in the tab's title until the Runs page is seen, and told by the browser if a person asked.
(() => {
  const EVERY = 10000, TITLE = "Preference Loop";
  let after = null, unseen = 0, asking = false;
  const wanted = () => { try { return localStorage.notifyRuns === "on"; } catch { return false; } };
  const state = () => {
    if (!("Notification" in window) || !isSecureContext) return "missing";
    if (Notification.permission === "denied") return "denied";
    return wanted() && Notification.permission === "granted" ? "on" : "off";
  };
  const draw = () => {
    if (unseen && !document.hidden && document.querySelector("#page-runs")?.offsetParent) unseen = 0;
    const title = unseen ? `(${unseen}) ${TITLE}` : TITLE;
    if (document.title !== title) document.title = title;
    const button = document.querySelector("#notify"), now = state();
    if (!button || button.dataset.state === now) return;
    button.dataset.state = now;
    button.textContent = button.dataset[now];
    button.ariaPressed = String(now === "on");
    button.disabled = now === "denied" || now === "missing";
  };
  const tell = ({ run, line }) => {
    unseen += 1;
    if (state() !== "on") return;
    const notice = new Notification(line, { tag: run }); // several tabs show one
    notice.onclick = () => { window.focus(); location.hash = `runs/${run}`; };
  };
  const ask = async () => {
    if (asking) return;
    asking = true;
    try {
      const answer = await fetch(`runs/ended${after === null ? "" : `?after=${encodeURIComponent(after)}`}`);
      if (answer.ok) {
        const read = await answer.json();
        read.ended.forEach(tell);
        after = read.after;
      }
    } catch { /* the server is away: the next question asks for the same time */ }
    asking = false;
    draw();
  };
  document.addEventListener("click", async (event) => {
    if (!event.target.closest?.("#notify")) return;
    const on = state() !== "on" && await Notification.requestPermission() === "granted";
    try { localStorage.notifyRuns = on ? "on" : "off"; } catch { /* the browser keeps nothing */ }
    draw();
  });
  document.addEventListener("visibilitychange", ask);
  window.addEventListener("hashchange", draw);
  new MutationObserver(draw).observe(document.documentElement, { childList: true, subtree: true });
  setInterval(ask, EVERY);
  ask();
})();
