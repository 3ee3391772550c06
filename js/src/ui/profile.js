/**
 * The chart of values along the line that is drawn.
 *
 * @typedef {import("../types.js").Viewer} Viewer
 * @typedef {import("../types.js").Profile} Profile
 * @typedef {{left: number, top: number, width: number, height: number,
 *   last: number, low: number, high: number}} Frame  in CSS pixels; ranges of distance and values
 * @typedef {{profile: Profile | null, at: number | null, loud: boolean}} Chart  `at`: the value
 *   pointed at; `loud`: whether it is read out
 */
import { formatNumber, quantity } from "../geometry.js";
import { h, listeners } from "./dom.js";

/** As in the stylesheet, in CSS pixels. */
const HEIGHT = 120;

/** The line has to rest this long before its values are asked for, in milliseconds. */
const REST = 150;

/**
 * Put the chart into an element; it shows itself when a line is drawn.
 * @param {Viewer} viewer
 * @param {HTMLElement} parent
 * @returns {{dispose: () => void}}
 */
export function mountProfile(viewer, parent) {
  const { state } = viewer;
  const { on, also, stop } = listeners();
  const canvas = h("canvas", { tabindex: 0, role: "img" });
  canvas.setAttribute("data-lm-suppress-shortcuts", "true");
  const word = h("div", { class: "nk-muted", role: "status" });
  const box = h("div", { class: "nk-profile", hidden: true }, canvas, word);
  parent.append(box);
  /** @type {Chart} */
  const chart = { profile: null, at: null, loud: true };
  const show = () => {
    canvas.hidden = !chart.profile;
    if (!chart.profile) return;
    draw(canvas, chart.profile, chart.at, viewer.dpr);
    word.setAttribute("aria-live", chart.loud ? "polite" : "off");
    word.textContent = describe(chart.profile, chart.at);
    canvas.setAttribute("aria-label", `profile of ${chart.profile.channels.length} channels`);
  };
  const asking = asker(viewer, (profile, text) => {
    Object.assign(chart, { profile, at: null, loud: true });
    word.textContent = text;
    show();
  });
  const update = () => {
    const selection = state.get("selection");
    box.hidden = !("kind" in selection && selection.kind === "line");
    if ("kind" in selection && selection.kind === "line") asking.ask(selection.points);
    else asking.stop();
  };
  pointAt(canvas, chart, show, on);
  for (const key of /** @type {const} */ (["selection", "shown_mag", "status"])) {
    also(state.on(key, update));
  }
  const observer = new ResizeObserver(show);
  observer.observe(box);
  also(() => {
    observer.disconnect();
    asking.stop();
    box.remove();
  });
  update();
  return { dispose: stop };
}

/**
 * Show the values where mouse or arrows point; what the mouse moves over isn't read out.
 * @param {HTMLCanvasElement} canvas
 * @param {Chart} chart
 * @param {() => void} show
 * @param {ReturnType<typeof listeners>["on"]} on
 */
function pointAt(canvas, chart, show, on) {
  const set = (/** @type {number | null} */ at, /** @type {boolean} */ loud) => {
    Object.assign(chart, { at, loud });
    show();
  };
  on(canvas, "pointermove", (event) => {
    if (chart.profile) set(indexAt(canvas, chart.profile, event.offsetX), false);
  });
  on(canvas, "pointerleave", () => set(null, false));
  on(canvas, "keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[String(event.key)];
    if (!by || !chart.profile) return;
    event.preventDefault();
    event.stopPropagation();
    const last = chart.profile.distance.length - 1;
    const next = (chart.at ?? 0) + by * (event.shiftKey ? 10 : 1);
    set(Math.min(Math.max(next, 0), last), true);
  });
}

/**
 * Ask for values when the line rests; only the newest answer counts.
 * @param {Viewer} viewer
 * @param {(profile: Profile | null, word: string) => void} answer
 */
function asker(viewer, answer) {
  /** @type {any} */
  let timer = null;
  let newest = 0;
  let asked = "";
  const stop = () => {
    clearTimeout(timer);
    newest++;
    asked = "";
  };
  /** @param {Record<string, number>[]} points */
  const ask = (points) => {
    const { status, shown_mag: mag } = viewer.state.values;
    const here = status !== "static" && status !== "lost";
    const question = JSON.stringify([points, mag, here]);
    if (question === asked) return;
    stop();
    asked = question;
    if (!here) return answer(null, "A profile needs the kernel, which isn't here.");
    const mine = newest;
    timer = setTimeout(async () => {
      try {
        const profile = await viewer.profile(points);
        if (mine === newest) answer(profile, "");
      } catch (error) {
        const cause = error instanceof Error ? error.message : String(error);
        if (mine === newest) answer(null, `No profile: ${cause}`);
      }
    }, REST);
  };
  return { ask, stop };
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Profile} profile
 * @returns {Frame}
 */
function frameOf(canvas, { distance, channels }) {
  const values = channels.flatMap((channel) => channel.values.filter(Number.isFinite));
  const { clientWidth } = canvas;
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    low = Math.min(low, Number(value));
    high = Math.max(high, Number(value));
  }
  if (!(low < high)) [low, high] = low === high ? [low - 0.5, high + 0.5] : [0, 1];
  const last = distance[distance.length - 1] || 1;
  return { left: 56, top: 6, width: clientWidth - 64, height: HEIGHT - 26, last, low, high };
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Profile} profile
 * @param {number} x CSS pixels
 */
function indexAt(canvas, profile, x) {
  const { left, width, last } = frameOf(canvas, profile);
  const wanted = ((x - left) / width) * last;
  let best = 0;
  for (const [i, distance] of profile.distance.entries()) {
    if (Math.abs(distance - wanted) < Math.abs(profile.distance[best] - wanted)) best = i;
  }
  return best;
}

/**
 * @param {Profile} profile
 * @param {number | null} at
 */
function describe({ distance, unit, channels }, at) {
  if (at === null) return `${quantity(distance[distance.length - 1] ?? 0, unit, 4)} long`;
  const values = channels.map(({ label, values: v }) => {
    const value = v[at];
    return `${label} ${value === null ? "none" : formatNumber(value)}`;
  });
  return `at ${quantity(distance[at], unit)}: ${values.join("  ")}`;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Profile} profile
 * @param {number | null} at
 * @param {number} dpr
 */
function draw(canvas, profile, at, dpr) {
  const frame = frameOf(canvas, profile);
  const context = canvas.getContext("2d");
  if (!context || frame.width < 20) return;
  canvas.width = Math.round(canvas.clientWidth * dpr);
  canvas.height = Math.round(HEIGHT * dpr);
  context.scale(dpr, dpr);
  const style = getComputedStyle(canvas);
  const x = (/** @type {number} */ d) => frame.left + (d / frame.last) * frame.width;
  const y = (/** @type {number} */ value) =>
    frame.top + (1 - (value - frame.low) / (frame.high - frame.low)) * frame.height;
  axes(context, frame, style, quantity(frame.last, profile.unit, 4));
  context.lineWidth = 1.5;
  for (const { color, values } of profile.channels) {
    context.strokeStyle = color;
    context.beginPath();
    // where there is no value the line is broken
    let broken = true;
    for (const [i, value] of values.entries()) {
      if (value === null || !Number.isFinite(value)) broken = true;
      else {
        context[broken ? "moveTo" : "lineTo"](x(profile.distance[i]), y(value));
        broken = false;
      }
    }
    context.stroke();
  }
  if (at === null) return;
  context.fillStyle = "#fffc";
  context.fillRect(x(profile.distance[at]) - 0.5, frame.top, 1, frame.height);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Frame} frame
 * @param {CSSStyleDeclaration} style
 * @param {string} end
 */
function axes(context, { left, top, width, height, low, high }, style, end) {
  // channels' colours are made for black
  context.fillStyle = "#14161a";
  context.fillRect(left, top, width, height);
  context.fillStyle = style.color;
  context.font = `11px ${style.fontFamily}`;
  context.textAlign = "right";
  context.textBaseline = "top";
  context.fillText(formatNumber(high, 4), left - 6, top);
  context.textBaseline = "bottom";
  context.fillText(formatNumber(low, 4), left - 6, top + height);
  context.textBaseline = "top";
  context.fillText(end, left + width, top + height + 5);
  context.textAlign = "left";
  context.fillText("0", left, top + height + 5);
}
