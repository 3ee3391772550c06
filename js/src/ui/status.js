/**
 * The status line: what is under the cursor, else at the crosshair; and how the kernel is.
 *
 * @typedef {import("../types.js").Viewer} Viewer
 * @typedef {import("../types.js").State} State
 * @typedef {import("../types.js").Hover} Hover
 */
import { h, listeners } from "./dom.js";
import { DRAWN_EVENT } from "./overlay.js";
import { crosshairAt, positionOf } from "./readout.js";
import { drawingOf } from "./selection.js";

/** Screen readers are told something new this often at most, in milliseconds. */
const CALM = 1000;

/** A word to the user stays this long, in milliseconds. */
const STAYS = 8000;

/** @type {Record<State["status"], string>} */
const KERNEL = {
  ok: "",
  busy: "kernel busy",
  lost: "no answer from the kernel: showing what is here",
  static: "no kernel: showing what was saved",
};

/**
 * Put the status line into an element, and the tooltip of failed tiles above the canvas.
 * @param {Viewer} viewer
 * @param {HTMLElement} parent
 * @returns {{dispose: () => void}}
 */
export function mountStatus(viewer, parent) {
  const { manifest, state } = viewer;
  const { on, also, stop } = listeners();
  const { line, parts, live } = build();
  // what follows stays where it is while the cursor moves
  const last = Object.fromEntries(manifest.axes.map(({ name, size }) => [name, size - 1]));
  reserve(parts.position, positionOf(manifest.axes, last));
  parent.append(line);
  const tooltip = h("div", { class: "nk-tooltip", hidden: true });
  viewer.canvas.parentElement?.append(tooltip);
  const say = announcer(live);
  also(say.stop);

  const update = () => {
    const seen = state.get("hover") ?? crosshairAt(viewer);
    write(parts.position, seen.position);
    write(parts.values, valuesText(seen));
    parts.values.title = parts.values.textContent ?? "";
    write(parts.mag, magText(seen, state.values));
    write(parts.loading, loadingText(state.get("loading")));
    write(parts.kernel, KERNEL[state.get("status")]);
    write(parts.message, state.get("message"));
    // what the line has no room for
    parts.message.title = state.get("message");
    point(tooltip, viewer);
    const drawing = drawingOf(viewer);
    if (drawing.keyed) say.later(() => spoken(viewer));
    drawing.keyed = false;
  };
  on(viewer.overlay, DRAWN_EVENT, update);
  for (const key of /** @type {const} */ (["loading", "status", "message"])) {
    also(state.on(key, update));
  }
  also(state.on("message", (text) => text && say.later(() => text)));
  also(fading(state));
  also(() => {
    line.remove();
    tooltip.remove();
  });
  return { dispose: stop };
}

/**
 * Laying a page out anew costs more than looking whether there is a need to.
 * @param {HTMLElement} element
 * @param {string} text
 */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Keep the room that a text takes, whatever comes in its place.
 * @param {HTMLElement} element
 * @param {string} text
 */
function reserve(element, text) {
  // letters and blanks are narrower than digits, on average
  element.style.minWidth = `${0.8 * text.length}ch`;
}

/** The elements of the line. */
function build() {
  const span = (/** @type {string} */ name, text = "") =>
    h("span", { class: name, "aria-hidden": "true" }, text);
  const parts = {
    position: span("nk-position"),
    values: span("nk-values"),
    message: span("nk-message"),
    kernel: span("nk-kernel"),
    loading: span("nk-loading"),
    mag: span("nk-mag"),
  };
  const hint = span("nk-hint", "H: keys");
  // the visible parts change with every move of the mouse, which nobody wants read out
  const live = h("span", { class: "nk-hidden nk-live" });
  const given = { class: "nk-status", role: "status", "aria-live": "polite" };
  return { line: h("div", given, ...Object.values(parts), hint, live), parts, live };
}

/**
 * Forget messages after a while.
 * @param {Viewer["state"]} state
 */
function fading(state) {
  /** @type {any} */
  let timer = 0;
  const stop = state.on("message", () => {
    clearTimeout(timer);
    timer = setTimeout(() => state.set({ message: "" }), STAYS);
  });
  return () => {
    stop();
    clearTimeout(timer);
  };
}

/**
 * What speaks to screen readers, calmly: the latest thing, once in a while.
 * @param {HTMLElement} live
 */
function announcer(live) {
  /** @type {any} */
  let timer = null;
  /** @type {() => string} */
  let text = () => "";
  return {
    /** @param {() => string} next asked when it is said */
    later(next) {
      text = next;
      timer ??= setTimeout(() => {
        timer = null;
        live.textContent = text();
      }, CALM);
    },
    stop: () => clearTimeout(timer),
  };
}

/** @param {Hover} seen */
export function valuesText({ values }) {
  return values.map(({ label, text }) => `${label} ${text}`).join("  ");
}

/**
 * The mags of the very pixels, else the one shown.
 * @param {Hover} seen
 * @param {State} state
 */
export function magText({ values }, { shown_mag: shown, held_mag: held }) {
  const mags = [...new Set(values.map(({ mag }) => mag).filter(Boolean))];
  const text = mags.join(", ") || shown;
  return text && `mag ${text}${held ? " (held)" : ""}`;
}

/** @param {number} count */
export function loadingText(count) {
  return count ? `${count} ${count === 1 ? "tile" : "tiles"} loading` : "";
}

/** @param {Viewer} viewer */
function spoken(viewer) {
  const seen = crosshairAt(viewer);
  const { labels, selection } = viewer.state.values;
  const ids = labels.flatMap((layer) => layer.selected);
  return [
    seen.position,
    valuesText(seen),
    magText(seen, viewer.state.values),
    "kind" in selection ? `${selection.kind} drawn` : "",
    ids.length ? `selected ${ids.slice(0, 5).join(", ")}` : "",
    seen.error,
  ]
    .filter(Boolean)
    .join("; ");
}

/**
 * Say at the cursor why there is no picture.
 * @param {HTMLElement} tooltip
 * @param {Viewer} viewer
 */
function point(tooltip, { state, dpr, canvas }) {
  const hover = state.get("hover");
  tooltip.hidden = !hover?.error;
  if (!hover?.error) return;
  tooltip.textContent = hover.error;
  // away from the edge that it would be cut off at
  const right = hover.x > canvas.width / 2;
  const low = hover.y > canvas.height / 2;
  Object.assign(tooltip.style, {
    left: right ? "auto" : `${hover.x / dpr + 14}px`,
    right: right ? `${(canvas.width - hover.x) / dpr + 14}px` : "auto",
    top: low ? "auto" : `${hover.y / dpr + 14}px`,
    bottom: low ? `${(canvas.height - hover.y) / dpr + 14}px` : "auto",
  });
}
