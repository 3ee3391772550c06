/**
 * How often each value occurs in what is in view, and the window drawn over it. Made from tiles
 * that are there anyway: nothing is asked of the kernel.
 *
 * @typedef {import("../types.js").Tile} Tile
 * @typedef {[number, number]} Window
 */
import { h } from "./dom.js";

/** Bins at most; integers get bins of whole numbers, so that none is higher by rounding alone. */
const BINS = 128;

/** CSS pixels between the border and the ends of the range, and how near is on a line. */
const MARGIN = 6;
const NEAR = 6;

const WORD = 2 ** 32;

/**
 * The tiles that a channel shows, each once: in each pane those of the level that fills most of it.
 * @param {import("../types.js").PaneFrame[]} frames
 * @param {number} layer
 * @param {number} channel
 * @returns {Tile[]}
 */
export function tilesInView(frames, layer, channel) {
  /** @type {Map<string, Tile>} */
  const out = new Map();
  for (const cover of frames.flatMap((frame) => frame.covers)) {
    if (cover.layer !== layer || cover.channel !== channel) continue;
    /** @type {Map<number, number>} */
    const areas = new Map();
    for (const { tile, screen } of cover.quads) {
      const { level } = tile.request;
      const area = (screen[2] - screen[0]) * (screen[3] - screen[1]);
      areas.set(level, (areas.get(level) ?? 0) + area);
    }
    const most = Math.max(...areas.values());
    for (const { tile } of cover.quads) {
      if (areas.get(tile.request.level) === most) out.set(tile.key, tile);
    }
  }
  return [...out.values()];
}

/**
 * Values of tiles in rising order, without NaN and infinity.
 * @param {Tile[]} tiles
 * @param {number} [most] about how many; of more, each second, third, ... pixel is taken
 * @returns {Float64Array}
 */
export function sampleOf(tiles, most = 2 ** 18) {
  const area = (/** @type {Tile} */ tile) => tile.shape.reduce((a, b) => a * b, 1);
  const stride = Math.ceil(tiles.reduce((sum, tile) => sum + area(tile), 0) / most) || 1;
  const parts = tiles.map((tile) => {
    const count = area(tile);
    if (tile.data) return { values: widen(tile.data), count, step: skew(stride, tile.shape) };
    return { values: Float64Array.of(Number(tile.constant)), count, step: stride };
  });
  const out = new Float64Array(parts.reduce((n, part) => n + Math.ceil(part.count / part.step), 0));
  let n = 0;
  for (const { values, count, step } of parts) {
    const end = values.length;
    for (let i = 0; i < count; i += step) {
      const value = values[i < end ? i : 0]; // a constant has one value for all of its pixels
      if (value - value === 0) out[n++] = value;
    }
  }
  return out.subarray(0, n).sort();
}

/**
 * A stride that doesn't hit the same columns in each row.
 * @param {number} stride
 * @param {number[]} shape
 */
function skew(stride, shape) {
  const width = shape[shape.length - 1];
  return stride > 1 && width % stride === 0 ? stride + 1 : stride;
}

/**
 * @param {import("../types.js").Pixels} data
 * @returns {Float64Array}
 */
function widen(data) {
  if (!(data instanceof BigInt64Array || data instanceof BigUint64Array)) {
    return new Float64Array(data);
  }
  // two words are many times quicker than a BigInt, and are rounded once, as Number(BigInt) is
  const Upper = data instanceof BigInt64Array ? Int32Array : Uint32Array;
  const buffer = /** @type {ArrayBuffer} */ (data.buffer);
  const lower = new Uint32Array(buffer, data.byteOffset, 2 * data.length);
  const upper = new Upper(buffer, data.byteOffset, 2 * data.length);
  const out = new Float64Array(data.length);
  for (let i = 0; i < out.length; i++) out[i] = lower[2 * i] + upper[2 * i + 1] * WORD;
  return out;
}

/**
 * As `numpy.percentile`, linear between values.
 * @param {Float64Array} values in rising order
 * @param {number} percent
 */
export function percentile(values, percent) {
  const place = (percent / 100) * (values.length - 1);
  const [below, above] = [values[Math.floor(place)], values[Math.ceil(place)]];
  const part = place - Math.floor(place);
  const step = above - below;
  return part < 0.5 ? below + step * part : above - step * (1 - part);
}

/**
 * The window that suits values: the rule of `ngffkit.plots.compose.window_of`.
 * @param {Float64Array} values in rising order
 * @param {number} [low] percentile that becomes black
 * @param {number} [high] percentile that becomes full colour
 * @returns {Window}
 */
export function autoWindow(values, low = 0.5, high = 99.5) {
  if (!values.length) return [0, 1];
  let [from, to] = [percentile(values, low), percentile(values, high)];
  if (!(from < to)) [from, to] = [values[0], values[values.length - 1]];
  if (!(from < to)) [from, to] = [Math.min(from, 0), Math.max(to, 0)];
  return from < to ? [from, to] : [0, 1];
}

/**
 * The range of values to draw: the data without its rarest, and the window.
 * @param {Float64Array} values in rising order
 * @param {Window} window
 * @param {boolean} whole whether values are integers
 * @returns {{range: Window, bins: number}}
 */
export function plotRange(values, window, whole) {
  const ends = values.length ? [percentile(values, 0.1), percentile(values, 99.9)] : [];
  const from = Math.min(...window, ...ends);
  const to = Math.max(...window, ...ends);
  if (!whole) return { range: from < to ? [from, to] : [from - 0.5, from + 0.5], bins: BINS };
  const [first, last] = [Math.floor(from), Math.ceil(to)];
  const width = Math.ceil((last - first + 1) / BINS);
  const bins = Math.ceil((last - first + 1) / width);
  return { range: [first - 0.5, first - 0.5 + bins * width], bins };
}

/**
 * How many values each of `bins` equal parts of a range has; the last one includes its end.
 * @param {Float64Array} values in rising order
 * @param {Window} range
 * @param {number} bins
 * @returns {Float64Array}
 */
export function countsOf(values, [from, to], bins) {
  const counts = new Float64Array(bins);
  let before = firstAt(values, from, false);
  for (let i = 0; i < bins; i++) {
    const end = firstAt(values, from + ((to - from) * (i + 1)) / bins, i === bins - 1);
    counts[i] = end - before;
    before = end;
  }
  return counts;
}

/**
 * Index of the first value that is not below `limit`, or that is above it.
 * @param {Float64Array} values in rising order
 * @param {number} limit
 * @param {boolean} above
 */
function firstAt(values, limit, above) {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < limit || (above && values[middle] === limit)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Round a value that was dragged to what a mouse can tell apart.
 * @param {number} value
 * @param {Window} range
 * @param {boolean} whole
 */
export function roundTo(value, [from, to], whole) {
  if (whole) return Math.round(value);
  const digits = Math.ceil(-Math.log10((to - from) / 500));
  const rounded = Math.round(value * 10 ** digits) / 10 ** digits;
  return Number(rounded.toPrecision(12)); // 0.3, not 0.30000000000000004
}

/**
 * @typedef {object} Shown what a histogram shows, asked whenever it is drawn
 * @property {string} name
 * @property {boolean} whole
 * @property {() => import("../types.js").ChannelState} channel
 * @property {(window: Window) => void} change
 * @property {(event: MouseEvent) => void} auto
 * @property {() => boolean} log
 */

/**
 * A histogram with its window as two lines to drag.
 * @param {Shown} shown
 * @param {ReturnType<typeof import("./dom.js").listeners>["on"]} on
 */
export function histogram(shown, on) {
  const canvas = h("canvas", {
    class: "nk-histogram",
    role: "img",
    "aria-label": `histogram of ${shown.name} in view`,
    title: "Drag a line or what is between; double click: auto-contrast",
  });
  const view = {
    canvas,
    /** @type {Float64Array} */
    values: new Float64Array(0),
    /** @type {{range: Window, bins: number}} */
    plot: { range: [0, 1], bins: 1 },
    dragging: false,
    draw: () => {
      const { window } = shown.channel();
      if (!view.dragging) view.plot = plotRange(view.values, window, shown.whole);
      draw(canvas, view.values, view.plot, shown);
    },
  };
  on(canvas, "dblclick", shown.auto);
  on(canvas, "pointerdown", (event) => {
    if (event.button === 0) drag(view, shown, event);
  });
  return view;
}

/**
 * @param {{canvas: HTMLCanvasElement, plot: {range: Window}, dragging: boolean,
 *   draw: () => void}} view
 * @param {Shown} shown
 * @param {PointerEvent} start
 */
function drag(view, shown, start) {
  const { canvas } = view;
  const { range } = view.plot;
  const [low, high] = shown.channel().window;
  const perPixel = (range[1] - range[0]) / (canvas.clientWidth - 2 * MARGIN);
  const at = range[0] + (start.offsetX - MARGIN) * perPixel;
  const [toLow, toHigh] = [Math.abs(at - low) / perPixel, Math.abs(at - high) / perPixel];
  const inside = (at - low) * (at - high) < 0 && Math.min(toLow, toHigh) > NEAR;
  // lines that lie on each other go apart in the direction they are taken from
  const lower = toLow === toHigh ? at < low : toLow < toHigh;
  view.dragging = true;
  canvas.setPointerCapture(start.pointerId);
  const control = new AbortController();
  const listen = (/** @type {string} */ type, /** @type {(event: any) => void} */ run) =>
    canvas.addEventListener(type, run, { signal: control.signal });
  listen("pointermove", (event) => {
    const by = (event.offsetX - start.offsetX) * perPixel;
    const moved = (/** @type {number} */ value) => roundTo(value + by, range, shown.whole);
    if (inside) shown.change([moved(low), moved(high)]);
    else if (lower) shown.change([Math.min(moved(low), high), high]);
    else shown.change([low, Math.max(moved(high), low)]);
  });
  const end = () => {
    control.abort();
    view.dragging = false;
    view.draw();
  };
  listen("pointerup", end);
  listen("pointercancel", end);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Float64Array} values
 * @param {{range: Window, bins: number}} plot
 * @param {Shown} shown
 */
function draw(canvas, values, { range, bins }, shown) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const context = canvas.getContext("2d");
  if (!width || !context) return;
  const dpr = globalThis.devicePixelRatio || 1;
  canvas.width = Math.round(width * dpr);
  canvas.height = Math.round(height * dpr);
  context.scale(dpr, dpr);
  const { window, color, gamma } = shown.channel();
  const inner = width - 2 * MARGIN;
  const x = (/** @type {number} */ value) =>
    MARGIN + ((value - range[0]) / (range[1] - range[0])) * inner;
  const [left, right] = window.map(x);
  context.fillStyle = "#ffffff12";
  context.fillRect(left, 0, right - left, height);
  bars(context, countsOf(values, range, bins), { inner, height, log: shown.log() });
  // bars in the window have the channel's colour, those beyond are grey
  context.fillStyle = "#7d848f";
  context.fill();
  context.save();
  context.clip();
  context.fillStyle = color;
  context.fillRect(Math.min(left, right), 0, Math.abs(right - left), height);
  context.restore();
  curve(context, [left, right], height, gamma);
}

/**
 * Make the path of the bars.
 * @param {CanvasRenderingContext2D} context
 * @param {Float64Array} counts
 * @param {{inner: number, height: number, log: boolean}} size
 */
function bars(context, counts, { inner, height, log }) {
  const shade = (/** @type {number} */ count) => (log ? Math.log1p(count) : count);
  const top = shade(Math.max(...counts)) || 1;
  context.beginPath();
  context.moveTo(MARGIN, height);
  counts.forEach((count, i) => {
    // the rarest values are seen too
    const tall = count ? Math.max(1, (shade(count) / top) * (height - 6)) : 0;
    context.lineTo(MARGIN + (i / counts.length) * inner, height - tall);
    context.lineTo(MARGIN + ((i + 1) / counts.length) * inner, height - tall);
  });
  context.lineTo(MARGIN + inner, height);
}

/**
 * The ends of the window, and how shades rise between them.
 * @param {CanvasRenderingContext2D} context
 * @param {Window} ends in pixels
 * @param {number} height
 * @param {number} gamma
 */
function curve(context, [left, right], height, gamma) {
  context.strokeStyle = "#ffffff8c";
  context.beginPath();
  for (let i = 0; i <= 24; i++) {
    const part = i / 24;
    context.lineTo(left + (right - left) * part, height - 1 - part ** gamma * (height - 2));
  }
  context.stroke();
  context.strokeStyle = "#ffffff";
  context.fillStyle = "#ffffff";
  for (const end of [left, right]) {
    const at = Math.round(end) - 0.5;
    context.beginPath();
    context.moveTo(at, 0);
    context.lineTo(at, height);
    context.stroke();
    context.fillRect(at - 2.5, end === left ? height - 6 : 0, 5, 6);
  }
}
