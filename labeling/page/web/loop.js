// The labeler's page: the screen and the requests. The other files add keys, time, drafts and rankings.
// The server renders every region as HTML in the reader's language. This file puts regions in place and sends actions.
const loop = { now: {}, acts: {}, listeners: [] };

loop.find = (selector) => document.querySelector(selector);
loop.all = (selector) => [...document.querySelectorAll(selector)];
loop.id = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
loop.stored = (use) => { try { return use(localStorage); } catch { return null; } };
loop.language = () => /(?:^|; )language=(en|ko)/.exec(document.cookie)?.[1] ?? (loop.now.language || (navigator.language.startsWith("ko") ? "ko" : "en"));
loop.says = (key) => LOOP_TEXTS[loop.language()][key];
loop.text = () => loop.find("#desk")?.contains(document.activeElement) && document.activeElement.matches("textarea, input[type=text]");

loop.line = (text, bad = false) => {
  const status = loop.find("#status");
  if (!status) return;
  status.classList.toggle("bad", bad);
  // A screen reader would not read the same text again.
  status.textContent = status.textContent === text && text ? `${text}\u00A0` : text;
};

// Milliseconds: a request is given up after `answer`; after `sending` the page says that it still waits.
loop.limits = { answer: 15_000, sending: 2000 };
loop.silent = ["draft", "beat"];
// Run a request with both limits. It ends with a reply or an error, never without an end.
loop.within = async (verb, request) => {
  let isShown = false;
  const notice = () => { isShown = true; loop.line(loop.says("sending")); };
  const timer = loop.silent.includes(verb) ? 0 : setTimeout(notice, loop.limits.sending);
  try {
    return await request(AbortSignal.timeout(loop.limits.answer));
  } finally {
    clearTimeout(timer);
    if (isShown) loop.line("");
  }
};

// Send one request. Without a session, reloading the page leads to the sign-in and back here.
loop.base = location.pathname.replace(/\/*$/, "/");
loop.unkept = [500, 502, 503, 504, 507];
loop.ask = (verb, body = {}) => loop.within(verb, async (signal) => {
  const sent = { method: "POST", headers: { "content-type": "application/json" }, cache: "no-store" };
  const answer = await fetch(`${loop.base}do/${verb}`, { ...sent, body: JSON.stringify(body), signal });
  if (answer.status === 401) {
    location.reload();
    return new Promise(() => {});
  }
  const reply = await answer.json().catch((problem) => {
    if (signal.aborted) throw problem;
    return loop.unkept.includes(answer.status) ? {} : { error: loop.says("server_failed") };
  });
  // The request is not acknowledged; the server's status line, if any, gives the reason.
  if (loop.unkept.includes(answer.status)) throw Object.assign(new Error("try again"), { status: answer.status, reason: reply.line?.text ?? reply.error });
  return reply.error ? { line: { text: reply.error, bad: true } } : reply;
});

const fields = (region) => Object.fromEntries([...region.querySelectorAll("textarea, input[type=radio]")].map((each) => [each.id || each.name + each.value, each]));
// Restore the text and the caret in a field that the server rendered again.
const refill = (region, written) => {
  for (const [name, field] of Object.entries(fields(region))) {
    const old = written[name];
    if (!old) continue;
    if (field.type === "radio") { field.checked = old.checked; continue; }
    field.value = old.value;
    Object.assign(field.dataset, old.dataset);
    field.setSelectionRange(old.selectionStart, old.selectionEnd);
  }
};

// Unchanged regions keep their nodes and so the focus. Fields keep their content while their item stays, never longer.
loop.place = (reply, fresh = false) => {
  for (const [name, html] of Object.entries(reply.regions ?? {})) {
    const region = loop.find(`#${name}`), written = region && fields(region);
    if (!region || (region.placed === html && !(fresh && Object.keys(written).length))) continue;
    const focused = region.contains(document.activeElement) ? document.activeElement.id : "";
    region.innerHTML = region.placed = html;
    if (!fresh) refill(region, written);
    loop.fit();
    for (const chat of region.querySelectorAll(".chat")) chat.scrollTop = chat.scrollHeight;
    if (focused) loop.find(`[id="${focused}"]`)?.focus({ preventScroll: true });
  }
};

// A conversation takes the height that the answers leave, and never less than its share in the style sheet.
loop.fit = () => {
  const chat = loop.find("#prompt.chat"), answers = loop.find("#answers, #ranks");
  if (!chat || !answers) return;
  const least = (box) => { const style = getComputedStyle(box); return [...box.children].reduce((sum, part) => sum + part.offsetHeight, 0) + parseFloat(style.paddingTop) + parseFloat(style.paddingBottom) + 12; };
  const wanted = answers.id === "ranks" ? least(answers) : Math.max(...[...answers.children].map(least));
  chat.style.setProperty("--free", `${chat.offsetHeight + answers.offsetHeight - wanted}px`);
};

loop.show = (reply) => {
  const fresh = reply.item && reply.item.key !== loop.now.item?.key;
  loop.now = { ...loop.now, ...reply };
  document.documentElement.lang = reply.language ?? document.documentElement.lang;
  loop.place(reply, fresh);
  const desk = loop.find("#desk");
  if (reply.item) Object.assign(desk.dataset, { assignment: reply.item.assignment, kind: reply.item.kind });
  if (fresh) {
    loop.find("#screen").scrollTop = 0;
    scrollTo(0, 0);
  }
  for (const listener of loop.listeners) listener(reply, fresh);
  if (reply.line) loop.line(reply.line.text, reply.line.bad);
};

// An action stays in this browser until the server acknowledges it; a retry has the same id, so it is idempotent.
loop.outbox = {
  prefix: () => `kept-${loop.now.account}-`,
  get: () => loop.outbox.pending ?? loop.stored((store) => {
    const name = Object.keys(store).find((each) => each.startsWith(loop.outbox.prefix()));
    return name ? JSON.parse(store.getItem(name)) : null;
  }),
  put: (pending) => {
    loop.outbox.pending = pending;
    loop.stored((store) => store.setItem(loop.outbox.prefix() + pending.id, JSON.stringify(pending)));
  },
  clear: (pending) => {
    loop.outbox.pending = null;
    loop.stored((store) => store.removeItem(loop.outbox.prefix() + pending.id));
  },
};
const tabs = new BroadcastChannel("labeling");

loop.busy = (on) => { on ? (document.documentElement.dataset.busy = "") : delete document.documentElement.dataset.busy; };
loop.isBusy = () => "busy" in document.documentElement.dataset;
loop.act = (verb, body) => {
  if (loop.isBusy()) return;
  loop.busy(true);
  loop.panel("");
  loop.line("");
  loop.outbox.put({ id: loop.id(), verb, body: { view: loop.view(true), ...body } });
  loop.deliver();
};
// Retry without end if the server is down or its disk is full. If this action causes a server error, retry a few times;
// then the labeler decides.
const PAUSES = [2, 4, 8, 16, 30], TRIES = 5;
let failed = 0;
loop.pause = (tries) => 1000 * PAUSES[Math.min(tries, PAUSES.length) - 1];
loop.stalled = (on) => {
  const button = loop.find("#try_again");
  button.hidden = !on;
  button.querySelector("span").textContent = loop.says("try_again");
  if (on) loop.line(loop.says("not_yet"), true);
};
loop.acts.retry = () => {
  loop.stalled(false);
  loop.line("");
  failed = 0;
  loop.deliver(1);
};
loop.deliver = async (tries = 0) => {
  const pending = loop.outbox.get();
  if (!pending) return loop.busy(false);
  let reply;
  try {
    reply = await loop.ask(pending.verb, pending.body);
  } catch (problem) {
    failed = problem.status === 500 ? failed + 1 : 0;
    if (failed === TRIES) return loop.stalled(true);
    const why = problem.reason ?? (problem.status === 500 ? loop.says("server_fault") : "");
    loop.line(why ? `${why} ${loop.says("kept_on")}` : loop.says("kept_here"), true);
    setTimeout(() => loop.deliver(tries + 1), loop.pause(tries + 1));
    return;
  }
  failed = 0;
  loop.outbox.clear(pending);
  loop.busy(false);
  if (tries && reply.line && !reply.line.bad) reply.line.text = `${loop.says("server_back")} ${reply.line.text}`;
  loop.show(reply);
  tabs.postMessage(loop.now.account);
};

// Load the current item. A failure loses nothing, and at most one retry waits.
let retry = null;
loop.look = async (line = "", tries = 1) => {
  if (loop.isBusy()) return;
  clearTimeout(retry);
  try {
    loop.show(await loop.ask("look", { view: loop.view() }));
    if (line) loop.line(line);
    if (loop.outbox.get()) { loop.busy(true); loop.deliver(1); }
  } catch (problem) {
    loop.line(problem.reason ?? loop.says(problem.status === 500 ? "server_fault" : "server_gone"), true);
    clearTimeout(retry);
    retry = setTimeout(() => loop.look(loop.says("server_back"), tries + 1), loop.pause(tries));
  }
};
tabs.onmessage = ({ data }) => {
  if (data === loop.now.account && !loop.now.item?.past) loop.look(loop.says("other_tab"));
};

// Start: send the first request while Gradio still builds the frame.
loop.start = () => {
  const first = loop.ask("look", { view: loop.view() }).catch(() => null);
  const ready = async () => {
    new ResizeObserver(loop.fit).observe(loop.find("#screen"));
    const reply = await first;
    if (!reply) return loop.look();
    loop.show(reply);
    if (loop.outbox.get()) { loop.busy(true); loop.deliver(1); }
  };
  if (loop.find("#desk")) return ready();
  new MutationObserver((_, observer) => {
    if (!loop.find("#desk")) return;
    observer.disconnect();
    ready();
  }).observe(document.documentElement, { childList: true, subtree: true });
};
