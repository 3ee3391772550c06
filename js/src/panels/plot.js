/**
 * Layouts side by side: a row for each pattern of access, a track for each measure. Python has worked
 * out every place and every word (`ngffkit/panels/charts.py`); here they are only drawn.
 *
 * @typedef {{key: string, at: number, text: string, low?: number, high?: number}} Point
 * @typedef {{legend: {key: string, label: string}[],
 *   axes: {measure: string, title: string, ticks: [number, string][]}[],
 *   rows: {name: string, points: Record<string, Point[]>}[]}} Chart
 */
import { h } from "../ui/dom.js";

/** @type {import("./widget.js").Kind} */
export function plot({ root }) {
  const text = h("p", { class: "nk-plot-text", role: "status" });
  const legend = h("div", { class: "nk-legend" });
  const body = h("div", { class: "nk-plot-body" });
  root.append(text, legend, body);
  let drawn = "";
  return (state) => {
    /** @type {Chart} */
    const chart = state.chart ?? state;
    text.textContent = state.text ?? "";
    text.hidden = !state.text;
    root.hidden = !chart.rows?.length;
    const now = JSON.stringify(chart);
    if (root.hidden || now === drawn) return;
    drawn = now;
    const labels = new Map(chart.legend.map(({ key, label }) => [key, label]));
    legend.replaceChildren(
      ...chart.legend.map(({ key, label }) => h("span", {}, mark(key), label)),
    );
    body.replaceChildren(...chart.axes.map((axis) => block(chart, axis, labels)));
  };
}

/** @param {string} key */
const mark = (key) => h("i", { class: `nk-mark nk-mark-${key}` });

/** @param {number} at */
const percent = (at) => `${(100 * at).toFixed(2)}%`;

/**
 * One measure: names at the left, a track for each.
 * @param {Chart} chart
 * @param {Chart["axes"][number]} axis
 * @param {Map<string, string>} labels
 */
function block(chart, axis, labels) {
  const said = chart.rows.map(({ name, points }) => {
    const words = points[axis.measure].map(({ key, text }) => `${labels.get(key)} ${text}`);
    return `${name}: ${words.join(", ")}`;
  });
  const grid = h("div", {
    class: "nk-plot-block",
    role: "img",
    "aria-label": `${axis.title}. ${said.join(". ")}`,
  });
  grid.append(h("span", { class: "nk-plot-name" }), h("span", { class: "nk-plot-title" }, axis.title));
  for (const { name, points } of chart.rows) {
    const track = h("span", { class: "nk-track", "data-row": name });
    for (const [at] of axis.ticks) track.append(placed("nk-grid", at));
    const own = points[axis.measure];
    const line = own.filter(({ key }) => key !== "measured" && key !== "warm");
    if (line.length > 1) track.append(span("nk-line", line.map(({ at }) => at)));
    for (const point of own) track.append(...drawnPoint(point, labels.get(point.key) ?? ""));
    track.title = own.map(({ key, text }) => `${labels.get(key)}: ${text}`).join("\n");
    grid.append(h("span", { class: "nk-plot-name", title: name }, name), track);
  }
  const ticks = h("span", { class: "nk-ticks" });
  for (const [at, word] of axis.ticks) ticks.append(placed("nk-tick", at, word));
  grid.append(h("span", { class: "nk-plot-name" }), ticks);
  return grid;
}

/**
 * @param {Point} point
 * @param {string} label
 */
function drawnPoint(point, label) {
  const dot = mark(point.key);
  dot.style.left = percent(point.at);
  dot.dataset.label = `${label}: ${point.text}`;
  if (point.low === undefined || point.high === undefined) return [dot];
  return [span(`nk-spread nk-spread-${point.key}`, [point.low, point.high]), dot];
}

/**
 * @param {string} name
 * @param {number} at
 * @param {string} [text]
 */
function placed(name, at, text) {
  const element = h("span", { class: name }, text);
  element.style.left = percent(at);
  return element;
}

/**
 * @param {string} name
 * @param {number[]} places
 */
function span(name, places) {
  const low = Math.min(...places);
  const element = placed(name, low);
  element.style.width = percent(Math.max(...places) - low);
  return element;
}
