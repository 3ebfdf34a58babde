// SPDX-License-Identifier: Apache-2.0
// The charts of the Runs page: they read the curves of the chosen runs and keep one plot per metric up to date.
import { fill, make, makePlot } from "./plot.js";

const fromHere = (name) => new URL(name, import.meta.url).href;
const remembered = () => { try { return JSON.parse(localStorage.runCharts ?? "{}"); } catch { return {}; } };
// How every plot is drawn. `hidden` holds lines and runs; `range` is the part of the x axis that is on the screen.
const view = { axis: "step", smoothing: 0, log: false, open: {}, ...remembered(), range: null, extent: [0, 1], hidden: new Set() };
const plots = new Map();
let shown = null, asked = 0, parts = null;

const library = Promise.all([
  loaded(make("script", { src: fromHere("uplot/uPlot.iife.min.js") })),
  ...["uplot/uPlot.min.css", "charts.css"].map((file) => loaded(make("link", { rel: "stylesheet", href: fromHere(file) }))),
]);

function loaded(element) {
  return new Promise((resolve, reject) => {
    Object.assign(element, { onload: resolve, onerror: reject });
    document.head.append(element);
  });
}

// Show the runs of a list such as "run5,run7"; a later call makes the answer to an earlier one useless.
export async function show(runs) {
  const host = document.querySelector("#charts"), mine = ++asked;
  if (!runs) return host.replaceChildren();
  host.ariaBusy = runs !== shown?.chosen.join();
  try {
    const answer = await fetch(`metrics?runs=${encodeURIComponent(runs)}`), read = await answer.json();
    await library;
    if (mine !== asked) return;
    if (!answer.ok) throw new Error(`${read.error}. ${read.remedy ?? ""}`);
    if (!read.runs.some(({ run }) => shown?.runs.some((old) => old.run === run))) view.range = null;
    shown = read;
    draw(host);
  } catch (problem) {
    if (mine === asked) (parts?.notes ?? host).textContent = fill(shown?.texts.failed_load ?? "{why}", { why: problem.message });
  }
  if (mine === asked) host.ariaBusy = false;
}

function draw(host = document.querySelector("#charts")) {
  if (!shown.groups.length) return host.replaceChildren();
  parts ??= makeParts();
  if (!parts.all.isConnected) host.replaceChildren(parts.all);
  parts.notes.replaceChildren(...shown.runs.flatMap(({ before, lacks }) => [...before, lacks[view.axis] ?? []].flat())
    .map((line) => make("p", { class: "soft" }, line)));
  for (const [axis, option] of Object.entries(parts.axes)) option.textContent = shown.axes[axis];
  drawRuns();
  const lines = shown.groups.flatMap(({ plots }) => plots.map((plot) => [plot.key, linesOf(plot)]));
  const xs = lines.flatMap(([, drawn]) => drawn.flatMap(({ x }) => [x[0], x.at(-1)])).filter((x) => x !== undefined);
  const [low, high] = [Math.min(...xs), Math.max(...xs)];
  view.extent = !xs.length ? [0, 1] : low < high ? [low, high] : [low - 0.5, high + 0.5];
  drawGroups(Object.fromEntries(lines));
  parts.reset.disabled = !view.range;
  setHtml(parts.settings, shown.settings);
  setHtml(parts.totals, shown.totals);
}

function makeParts() {
  const { texts } = shown, redraw = (change) => (event) => { change(event.target); remember(); draw(); };
  const amount = make("output", {}, view.smoothing);
  const axes = Object.fromEntries(Object.keys(shown.axes).map((axis) => [axis, make("option", { value: axis, selected: axis === view.axis })]));
  const made = {
    axes, notes: make("div", { role: "status" }), groups: make("div"), settings: make("div"), totals: make("div"),
    chips: make("div", { class: "chips", role: "group", "aria-label": texts.shown_runs }),
    others: make("select", { "aria-label": texts.add_run, onchange: ({ target }) => choose([...names(), target.value]) }),
    reset: make("button", { type: "button", class: "press", onclick: () => zoom(null) }, texts.reset_zoom),
  };
  const slider = make("input", { type: "range", min: 0, max: 0.99, step: 0.01, value: view.smoothing,
    oninput: redraw(({ value }) => { view.smoothing = Number(value); amount.textContent = value; }) });
  const log = make("input", { type: "checkbox", checked: view.log, onchange: redraw(({ checked }) => { view.log = checked; }) });
  const axis = make("select", { onchange: redraw(({ value }) => { view.axis = value; view.range = null; }) }, ...Object.values(axes));
  const tools = make("div", { class: "tools" },
    make("label", {}, texts.smoothing, slider, amount), make("label", {}, log, texts.log_scale),
    make("label", {}, texts.x_axis, axis), made.reset);
  const runs = make("div", { class: "tools" }, made.chips, made.others);
  const help = make("p", { class: "soft", id: "chart-help" }, texts.chart_help);
  made.all = make("section", { "aria-label": texts.charts }, runs, tools, help, made.notes, made.settings, made.groups, made.totals);
  return made;
}

const remember = () => { localStorage.runCharts = JSON.stringify({ axis: view.axis, smoothing: view.smoothing, log: view.log, open: view.open }); };

const names = () => shown.chosen; // in the order of the address
const choose = (runs) => { location.hash = `runs/${runs.join(",")}`; };

// Write HTML of the server, which escapes every text in it, if it is new.
function setHtml(element, html) {
  if (changed(element, html)) element.innerHTML = html;
}

// Draw a button for each run, which hides it everywhere, one that takes it out, and the list of runs to add.
function drawRuns() {
  const { texts, runs, others, most } = shown, several = runs.length > 1;
  if (!several) view.hidden.delete(runs[0].run); // no button would show it again
  if (changed(parts.chips, runs.map(({ title }) => title))) {
    parts.chips.replaceChildren(...runs.flatMap(({ run, title }, number) => {
      const mark = make("i", { style: `--colour: var(--line-${number})` });
      const remove = make("button", { type: "button", "aria-label": fill(texts.remove, { run }), onclick: () => choose(names().filter((name) => name !== run)) }, "×");
      return several ? [make("span", {}, make("button", { type: "button", "data-run": run, onclick: () => toggle(run) }, mark, title), remove)] : [];
    }));
  }
  for (const chip of parts.chips.querySelectorAll("[data-run]")) chip.ariaPressed = !view.hidden.has(chip.dataset.run);
  if (changed(parts.others, others)) {
    parts.others.replaceChildren(make("option", { value: "" }, `${texts.add_run} …`), ...others.map(([run, title]) => make("option", { value: run }, title)));
  }
  parts.others.hidden = !others.length || runs.length >= most;
}

// Tell if an element was drawn of another value before. What did not change keeps the focus.
function changed(element, value) {
  const before = element.drawnOf;
  element.drawnOf = JSON.stringify(value);
  return before !== element.drawnOf;
}

// Return the lines of a plot: one for each run and metric that it shows, with the colour and the dashes of its part.
function linesOf(plot) {
  const several = shown.runs.length > 1;
  return shown.runs.flatMap((run, number) => plot.metrics.flatMap((metric, part) => {
    const series = run.series[metric];
    if (!series || run.lacks[view.axis]) return [];
    const at = series.steps.map((step) => view.axis === "step" ? step : view.axis === "episodes" ? step * run.episodes : run.seconds[step]);
    const known = at.map((x, place) => place).filter((place) => at[place] !== undefined);
    const name = metric.replaceAll("_", " ");
    return [{
      id: `${run.run} ${metric}`, run: run.run, metric, part, colour: several ? number : part,
      label: !several && plot.metrics.length > 1 ? name : plot.metrics.length > 1 ? `${run.title}, ${name}` : run.title,
      limit: part ? undefined : run.limits[plot.key], notFinite: series.not_finite,
      x: known.map((place) => at[place]), y: known.map((place) => series.values[place]),
    }];
  }));
}

// Keep the elements of groups and plots that stay: the focus and the zoom stay with them.
function drawGroups(lines) {
  const sections = shown.groups.map(({ key, title, plots: inGroup }, place) => {
    const section = parts.groups.querySelector(`[data-group="${key}"]`) ??
      make("details", { "data-group": key }, make("summary"), make("div", { class: "plots" }));
    section.open = view.open[key] ?? place === 0;
    section.firstChild.onclick = (event) => {
      event.preventDefault(); // `draw` opens and closes
      view.open[key] = !section.open;
      remember();
      draw();
    };
    section.firstChild.textContent = `${title} (${inGroup.length})`;
    return section;
  });
  arrange(parts.groups, sections);
  for (const [place, { plots: inGroup }] of shown.groups.entries()) {
    if (!sections[place].open) continue;
    for (const { key } of inGroup) if (!plots.has(key)) plots.set(key, makePlot(key, { view, zoom, toggle }));
    arrange(sections[place].lastChild, inGroup.map(({ key }) => plots.get(key).figure));
    for (const plot of inGroup) plots.get(plot.key).update(plot, lines[plot.key], shown); // in the page: it has a width
  }
}

// Make `children` the element's children in this order. Those that are there already do not move.
function arrange(element, children) {
  children.forEach((child, at) => { if (element.children[at] !== child) element.insertBefore(child, element.children[at] ?? null); });
  while (element.children.length > children.length) element.lastChild.remove();
}

function zoom(range) {
  view.range = range;
  draw();
}

function toggle(id) {
  if (!view.hidden.delete(id)) view.hidden.add(id);
  draw();
}
