// SPDX-License-Identifier: Apache-2.0
// One plot of the Runs page: a figure with its canvas, its legend of buttons, and buttons that save it.
import { download, toCsv, toPng, toSvg, toTable, valuesShown } from "./save.js";

const HEIGHT = 220, COLOURS = 8, DASHES = [[], [7, 4], [2, 3]];
const colour = (name) => getComputedStyle(document.querySelector("#charts")).getPropertyValue(name).trim();
const colourOf = (line) => colour(`--line-${line.colour % COLOURS}`);

export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made[name] = value;
    else if (value !== false && value !== undefined) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

export const fill = (text, values) => text.replace(/{(\w+)}/g, (blank, name) => values[name] ?? blank);

export function short(value, digits = 4) {
  if (value === null || value === undefined) return "";
  const size = Math.abs(value);
  if (size && (size < 1e-4 || size >= 1e7)) return Number(value.toPrecision(3)).toExponential().replace("e+", "e");
  return value.toLocaleString("en", { maximumSignificantDigits: digits });
}

// Return the exponential moving average, which starts without a bias towards 0.
export function smoothed(values, weight) {
  let sum = 0, mass = 0;
  return values.map((value) => {
    sum = weight * sum + (1 - weight) * value;
    mass = weight * mass + 1 - weight;
    return sum / mass;
  });
}

// Make the plot of a metric. `page` has the view that all plots share, and zoom(range) and toggle(id).
export function makePlot(key, page) {
  const { view } = page;
  const parts = {
    title: make("b"), unit: make("span", { class: "soft" }), at: make("span", { class: "soft at" }), note: make("p", { class: "soft" }),
    legend: make("div", { class: "legend" }), save: make("div", { class: "save" }),
    table: make("div", { class: "scroll", role: "region", tabindex: 0, hidden: true }),
  };
  const holder = make("div", { class: "canvas", role: "slider", tabindex: 0, "aria-describedby": "chart-help", onkeydown: press });
  const figure = make("figure", { "data-metric": key },
    make("figcaption", {}, parts.title, parts.unit, parts.at), holder, parts.note, parts.legend, parts.save, parts.table);
  let plot, texts, axis, runs, lines = [], entries = [], chart = null, built = "";
  new ResizeObserver(() => chart && holder.clientWidth && chart.setSize(size())).observe(holder);
  new MutationObserver(() => chart?.redraw()).observe(document.body, { attributeFilter: ["class"] }); // light or dark
  const size = () => ({ width: Math.max(holder.clientWidth, 120), height: HEIGHT });
  const isShown = (line) => !view.hidden.has(line.id) && !view.hidden.has(line.run);

  function update(given, drawn, document) {
    [plot, lines, texts, axis, runs] = [given, drawn, document.texts, document.axes[view.axis], document.runs.map(({ run }) => run)];
    parts.title.textContent = plot.title;
    parts.unit.textContent = plot.unit;
    holder.ariaLabel = fill(texts.spoken_chart, { title: plot.title, run: runs.join(", "), axis });
    const shape = JSON.stringify([lines.map(({ id, label }) => [id, label]), view.smoothing > 0, view.log, axis]);
    if (shape !== built) build();
    built = shape;
    chart.setData(table());
    lines.forEach((line, at) => {
      entries[at].button.ariaPressed = isShown(line);
      columns(at).forEach((column) => { if (chart.series[column].show !== isShown(line)) chart.setSeries(column, { show: isShown(line) }); });
    });
    follow();
    if (!parts.save.children.length) parts.save.append(...saveButtons());
    fillTable();
  }

  function columns(at) { // the line's columns of the table: the values, and the smoothed ones behind them
    return view.smoothing ? [2 * at + 1, 2 * at + 2] : [at + 1];
  }

  function table() {
    const drawable = (y) => y.map((value) => view.log && value <= 0 ? null : value);
    const tables = lines.map(({ x, y }) => [x, drawable(y), ...(view.smoothing ? [drawable(smoothed(y, view.smoothing))] : [])]);
    return tables.length ? uPlot.join(tables) : [[]];
  }

  function build() {
    chart?.destroy();
    const ink = { stroke: () => colour("--soft"), grid: { stroke: () => colour("--line"), width: 1 }, ticks: { show: false },
      font: "12px system-ui, sans-serif", values: (_, splits) => splits.map((value) => value === null ? null : short(value, 6)) };
    const series = lines.flatMap((line) => {
      const dash = DASHES[line.part % DASHES.length];
      const main = { scale: "y", spanGaps: true, show: isShown(line), dash, width: 2, stroke: () => colourOf(line) };
      if (!view.smoothing) return [main];
      return [{ ...main, width: 1, alpha: 0.3, points: { show: false } }, { ...main, points: { show: (u, column, from, to) => to - from < 2 } }];
    });
    chart = new uPlot({
      ...size(), legend: { show: false }, padding: [10, 24, 0, 0],
      scales: { x: { time: false, range: () => view.range ?? view.extent }, y: { distr: view.log ? 3 : 1, range: rangeOfY } },
      axes: [{ ...ink, label: axis, labelSize: 16, labelGap: -4, labelFont: ink.font, size: 26 },
        { ...ink, size: (_, values) => 16 + 7 * Math.max(3, ...(values ?? []).map((value) => value?.length ?? 0)) }],
      series: [{}, ...series],
      cursor: { y: false, drag: { setScale: false }, sync: { key: "runs", scales: ["x", null], filters: { pub: (type) => type === "mousemove" } },
        bind: { dblclick: () => () => page.zoom(null) }, points: { size: (u, column) => u.series[column].alpha < 1 ? 0 : 8 } },
      hooks: { setCursor: [follow], setSelect: [select], draw: [drawLimits, note] },
    }, [[]], holder);
    entries = lines.map((line) => {
      const value = make("b"), mark = make("i");
      mark.style.setProperty("--dash", ["solid", "dashed", "dotted"][line.part % DASHES.length]);
      mark.style.setProperty("--colour", `var(--line-${line.colour % COLOURS})`);
      const onclick = () => page.toggle(view.hidden.has(line.run) ? line.run : line.id);
      return { value, button: make("button", { type: "button", onclick }, mark, line.label, " ", value) };
    });
    parts.legend.replaceChildren(...entries.map(({ button }) => button));
  }

  function limits() {
    return [...new Map(lines.filter((line) => line.limit && isShown(line)).map((line) => [line.limit.value, line.limit])).values()];
  }

  function rangeOfY(u, low, high) {
    if (low === null || !Number.isFinite(low)) return view.log ? [0.1, 1] : [0, 1];
    for (const { value } of limits()) if (value <= 2 * high - low) high = Math.max(high, value);
    if (low === high) return view.log ? [low / 2, low * 2] : [low - (Math.abs(low) / 20 || 0.5), low + (Math.abs(low) / 20 || 0.5)];
    return view.log ? uPlot.rangeLog(low, high, 10, false) : uPlot.rangeNum(low, high, 0.08, false);
  }

  function note() { // after a drawing: only then the range of y is known
    const missing = lines.reduce((sum, line) => sum + line.notFinite, 0);
    const below = view.log ? lines.flatMap(({ y }) => y).filter((value) => value <= 0).length : 0;
    const above = limits().filter(({ value }) => value > chart.scales.y.max).map(({ name, value }) => fill(texts.limit_above, { name, value }));
    const counts = { not_finite: missing, not_above_0: below };
    const counted = Object.keys(counts).filter((name) => counts[name]).map((name) => fill(texts[name], { n: counts[name] }));
    parts.note.textContent = [...above, ...counted].join(" ");
  }

  // Show the values below the cursor, or the newest ones.
  function follow() {
    if (!texts || !chart) return;
    const at = chart.cursor.idx ?? null, x = chart.data[0][at ?? chart.data[0].length - 1];
    parts.at.textContent = x === undefined ? "" : fill(at === null ? texts.newest_at : texts.at, { axis, x: short(x, 5) });
    lines.forEach((line, number) => {
      const [values, smooth] = columns(number).map((column) => {
        const place = at === null ? line.x.length - 1 : chart.cursor.idxs[column];
        return at === null ? (column === columns(number)[0] ? line.y[place] : smoothed(line.y, view.smoothing)[place]) : chart.data[column][place];
      });
      entries[number].value.textContent = smooth === undefined ? short(values) : `${short(smooth)} (${short(values)})`;
    });
    Object.assign(holder, { ariaValueMin: view.extent[0], ariaValueMax: view.extent[1], ariaValueNow: x ?? 0,
      ariaValueText: [parts.at.textContent, ...entries.map(({ button }) => button.textContent)].join(", ") });
  }

  function select(u) {
    const { left, width } = u.select;
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    if (width > 4) page.zoom([u.posToVal(left, "x"), u.posToVal(left + width, "x")]);
  }

  function press(event) {
    const xs = chart.data[0], at = chart.cursor.idx ?? xs.length - 1;
    const moves = { ArrowLeft: at - 1, ArrowRight: at + 1, PageDown: at - 10, PageUp: at + 10, Home: 0, End: xs.length - 1 };
    const [low, high] = view.range ?? view.extent;
    const zooms = { "+": 0.5, "=": 0.5, "-": 2, "−": 2 };
    if (event.key in moves) {
      const x = xs[Math.min(Math.max(moves[event.key], 0), xs.length - 1)];
      chart.setCursor({ left: chart.valToPos(Math.min(Math.max(x, low), high), "x"), top: 1 }, true, true);
    } else if (event.key in zooms && xs.length) {
      const half = (high - low) * zooms[event.key] / 2;
      const range = [Math.max(xs[at] - half, view.extent[0]), Math.min(xs[at] + half, view.extent[1])];
      page.zoom(range[0] === view.extent[0] && range[1] === view.extent[1] ? null : range);
    } else if (event.key === "0") page.zoom(null);
    else return;
    event.preventDefault();
  }

  function saveButtons() {
    const file = (kind) => `${runs.join("-")}-${key}.${kind}`;
    const saves = { CSV: () => download(file("csv"), toCsv(values())), SVG: () => download(file("svg"), picture()),
      PNG: async () => download(file("png"), await toPng(picture())) };
    const button = (words, onclick, more = {}) =>
      make("button", { type: "button", "aria-label": fill(texts.save_as, { file: words, title: plot.title }), onclick, ...more }, words);
    const flip = ({ target }) => {
      parts.table.hidden = !parts.table.hidden;
      target.ariaExpanded = !parts.table.hidden;
      fillTable();
    };
    return [...Object.entries(saves).map(([words, save]) => button(words, save)), button(texts.show_table, flip, { "aria-expanded": "false" })];
  }

  function fillTable() {
    if (parts.table.hidden) return;
    parts.table.ariaLabel = fill(texts.table_of, { title: plot.title });
    parts.table.replaceChildren(toTable(values()));
  }

  // Return the lines that are not hidden, each with its columns of the chart as they are named and drawn.
  function shownLines() {
    return lines.map((line, at) => ({ ...line, columns: columns(at).map((column, which) => ({
      column, name: which ? `${line.id} (smoothed ${view.smoothing})` : line.id, colour: colourOf(line),
      dash: DASHES[line.part % DASHES.length], width: chart.series[column].width, alpha: chart.series[column].alpha })) })).filter(isShown);
  }

  const values = () => valuesShown(chart, axis, shownLines());
  const picture = () => toSvg(chart, {
    title: plot.unit ? `${plot.title} (${plot.unit})` : plot.title, axis, lines: shownLines(), levels: levels(chart),
    ink: colour("--ink"), soft: colour("--soft"), grid: colour("--line"), paper: colour("--card"),
  });
  const levels = (u) => limits().filter(({ value }) => value >= u.scales.y.min && value <= u.scales.y.max);

  function drawLimits(u) {
    const { ctx, bbox: { left, width } } = u, pixel = uPlot.pxRatio;
    for (const { name, value } of levels(u)) {
      const y = u.valToPos(value, "y", true), at = [name, left + width - 4 * pixel, y - 5 * pixel];
      ctx.save();
      Object.assign(ctx, { strokeStyle: colour("--soft"), fillStyle: colour("--soft"), lineWidth: pixel });
      ctx.setLineDash([3 * pixel, 3 * pixel]);
      ctx.stroke(new Path2D(`M${left} ${y}h${width}`));
      Object.assign(ctx, { strokeStyle: colour("--card"), lineWidth: 4 * pixel, textAlign: "right", font: `${12 * pixel}px system-ui, sans-serif` });
      ctx.setLineDash([]);
      ctx.strokeText(...at); // an edge in the colour of the paper, so that curves do not cross the letters
      ctx.fillText(...at);
      ctx.restore();
    }
  }

  return { figure, update };
}
