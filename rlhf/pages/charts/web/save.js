// SPDX-License-Identifier: Apache-2.0
// What can be saved of a plot: the values shown as CSV or as a table, and the picture as SVG or PNG.
import { make } from "./plot.js";

const xml = (text) => String(text).replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt()};`);
const plain = (value) => value === null || value === undefined ? "" : Number(value.toPrecision(6));
const FONT = "12px system-ui, sans-serif", LINE = 18;

// Return the names and the rows of the values between both ends of the x axis. `lines` have `columns` of the chart.
export function valuesShown(chart, axis, lines) {
  const { min, max } = chart.scales.x, columns = lines.flatMap(({ columns }) => columns);
  const rows = chart.data[0].flatMap((x, at) => x < min || x > max ? [] : [[x, ...columns.map(({ column }) => plain(chart.data[column][at]))]]);
  return [[axis, ...columns.map(({ name }) => name)], ...rows.filter((row) => row.slice(1).some((value) => value !== ""))];
}

export function toCsv(rows) {
  const cell = (value) => /[",\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : value;
  return rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

export function toTable([head, ...rows]) {
  const line = (row, tag) => make("tr", {}, ...row.map((value) => make(tag, tag === "th" ? { scope: "col" } : {}, value)));
  return make("table", {}, make("thead", {}, line(head, "th")), make("tbody", {}, ...rows.map((row) => line(row, "td"))));
}

// Return the picture as SVG with its title and legend. `lines` are drawn as on the screen, `levels` across the plot.
export function toSvg(chart, { title, axis, lines, levels, ink, soft, grid, paper }) {
  const box = Object.fromEntries(["left", "top", "width", "height"].map((side) => [side, chart.bbox[side] / uPlot.pxRatio]));
  const head = LINE + 8, x = (value) => box.left + chart.valToPos(value, "x"), y = (value) => head + box.top + chart.valToPos(value, "y");
  const bottom = head + box.top + box.height, height = head + chart.height + LINE * lines.length;
  const text = (at, up, words, anchor, fill = soft) => `<text x="${at.toFixed(1)}" y="${up.toFixed(1)}" text-anchor="${anchor}" fill="${fill}">${xml(words)}</text>`;
  const rule = (path, colour, dash = "") => `<path d="${path}" fill="none" stroke="${colour}" stroke-dasharray="${dash}"/>`;
  const ticks = ([splits, words], draw) => (splits ?? []).map((value, at) => words[at] == null ? "" : draw(value, words[at])).join("");
  const [across, up] = chart.axes.map((each) => [each._splits, each._values]);
  const curve = ({ column, width, alpha, colour, dash }) => {
    const points = chart.data[0].flatMap((at, place) => chart.data[column][place] == null ? [] : [`${x(at).toFixed(1)} ${y(chart.data[column][place]).toFixed(1)}`]);
    return `<path d="M${points.join("L")}" fill="none" stroke="${colour}" stroke-width="${width}" stroke-opacity="${alpha}" stroke-dasharray="${dash}" stroke-linejoin="round" stroke-linecap="round" clip-path="url(#plot)"/>`;
  };
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${chart.width}" height="${height}" viewBox="0 0 ${chart.width} ${height}" style="font: ${FONT}">
<rect width="100%" height="100%" fill="${paper}"/><clipPath id="plot"><rect x="${box.left}" y="${head}" width="${box.width}" height="${box.top + box.height}"/></clipPath>
<text x="8" y="${LINE}" font-weight="600" fill="${ink}">${xml(title)}</text>
${ticks(across, (value, words) => rule(`M${x(value)} ${head + box.top}V${bottom}`, grid) + text(x(value), bottom + 15, words, "middle"))}
${ticks(up, (value, words) => rule(`M${box.left} ${y(value)}H${box.left + box.width}`, grid) + text(box.left - 6, y(value) + 4, words, "end"))}
${text(box.left + box.width / 2, bottom + 32, axis, "middle")}
${levels.map(({ name, value }) => rule(`M${box.left} ${y(value)}H${box.left + box.width}`, soft, "3 3") + text(box.left + box.width - 4, y(value) - 5, name, "end")).join("")}
${lines.flatMap(({ columns }) => columns.map(curve)).join("\n")}
${lines.map(({ label, columns }, at) => rule(`M8 ${height - LINE * (lines.length - at) + 8}h24`, columns.at(-1).colour, columns[0].dash) + text(40, height - LINE * (lines.length - at) + 12, label, "start", ink)).join("")}
</svg>`;
}

export async function toPng(svg, scale = 2) {
  const image = make("img", { src: URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" })) });
  await image.decode();
  const canvas = make("canvas", { width: image.width * scale, height: image.height * scale });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(image.src);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

export function download(name, content) {
  const link = make("a", { download: name, href: URL.createObjectURL(new Blob([content])) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
