/**
 * How each channel is shown: visibility, colour, gamma, window over a histogram of what is in view.
 *
 * @typedef {import("../types.js").Viewer} Viewer
 * @typedef {import("../types.js").ChannelState} ChannelState
 * @typedef {ReturnType<typeof import("./dom.js").listeners>} Listeners
 */
import { formatNumber } from "../geometry.js";
import { h, put, slide, undo } from "./dom.js";
import { autoWindow, histogram, sampleOf, tilesInView } from "./histogram.js";

/** With more channels than this each starts as a single line. */
const UNFOLDED = 8;

/** Milliseconds without a change before histograms are made. */
const CALM = 150;

/** Pixels that auto-contrast looks at. */
const EXACT = 2 ** 20;

/** What has an influence on the pixels in view. */
const SEEN = new Set(
  "voxel center zoom layout plane slab held_mag shown_mag loading channels height".split(" "),
);

/**
 * @typedef {object} Channel
 * @property {number} index     in the state
 * @property {number} layer
 * @property {number} channel   in its layer
 * @property {string} name
 * @property {boolean} whole    whether its pixels are integers
 */

/**
 * The channels of all intensity layers, in the order of the state.
 * @param {import("../types.js").Manifest} manifest
 * @returns {Channel[]}
 */
export function channelsOf({ layers }) {
  const several = layers.filter((layer) => layer.kind === "intensity").length > 1;
  return layers
    .flatMap(({ kind, name, channels, dtype }, layer) =>
      (kind === "intensity" ? channels : []).map(({ label }, channel) => ({
        layer,
        channel,
        name: several && channels.length > 1 ? `${name}: ${label}` : several ? name : label || name,
        whole: !dtype.startsWith("float"),
      })),
    )
    .map((found, index) => ({ ...found, index }));
}

/**
 * @param {Viewer} viewer
 * @param {HTMLElement} parent
 * @param {Listeners} listen
 */
export function mountChannels(viewer, parent, listen) {
  const { manifest, state } = viewer;
  const log = h(
    "button",
    { class: "nk-log", "aria-label": "logarithmic counts", title: "Logarithmic counts" },
    "log",
  );
  const isLog = () => log.ariaPressed === "true";
  const channels = channelsOf(manifest);
  const folded = channels.length > UNFOLDED;
  const rows = channels.map((channel) => row(viewer, channel, { listen, isLog, folded }));
  parent.append(log, ...rows.map(({ element }) => element));

  const drawAll = () => rows.forEach(({ show }) => show());
  log.ariaPressed = "false";
  listen.on(log, "click", () => {
    log.ariaPressed = String(!isLog());
    drawAll();
  });
  const settle = settled(viewer, rows);
  listen.also(settle.stop);
  listen.also(state.on("channels", drawAll));
  listen.also(
    state.on("*", (/** @type {string[]} */ keys) => {
      if (keys.some((key) => SEEN.has(key))) settle.later();
    }),
  );
  const observer = new ResizeObserver(drawAll);
  observer.observe(parent);
  listen.also(() => observer.disconnect());
  settle.later();
}

/**
 * Make histograms anew when the view has come to rest, one channel at a time, when there is nothing
 * else to do, and only of what has changed.
 * @param {Viewer} viewer
 * @param {ReturnType<typeof row>[]} rows
 */
function settled(viewer, rows) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let round = 0;
  // Safari has no idle callbacks
  const idle = (/** @type {() => void} */ run) =>
    "requestIdleCallback" in globalThis ? requestIdleCallback(run) : setTimeout(run);
  const next = (/** @type {number} */ i, /** @type {number} */ started) => {
    if (started !== round || i === rows.length) return;
    rows[i].count();
    idle(() => next(i + 1, started));
  };
  const later = () => {
    clearTimeout(timer);
    round++;
    timer = setTimeout(() => {
      const wait = viewer.state.get("loading") > 0 || rows.some(({ busy }) => busy());
      if (wait) later();
      else idle(() => next(0, round));
    }, CALM);
  };
  const stop = () => {
    clearTimeout(timer);
    round++;
  };
  return { later, stop };
}

/**
 * @param {Viewer} viewer
 * @param {Channel} channel
 * @param {{listen: Listeners, isLog: () => boolean, folded: boolean}} shared
 */
function row(viewer, channel, { listen, isLog, folded }) {
  const { state } = viewer;
  const { index, name } = channel;
  const own = () => state.get("channels")[index];
  const change = (/** @type {Partial<ChannelState>} */ changes) =>
    changeChannel(viewer, index, changes);
  const auto = (/** @type {MouseEvent} */ event) =>
    autoContrast(viewer, channel, plot, event.shiftKey);
  const plot = histogram(
    {
      name,
      whole: channel.whole,
      channel: own,
      change: (window) => change({ window }),
      auto,
      log: isLog,
    },
    listen.on,
  );
  const parts = controls(channel);
  const { element, fold, body } = assemble(channel, parts, plot.canvas);
  const open = (/** @type {boolean} */ yes) => {
    body.hidden = !yes;
    fold.setAttribute("aria-expanded", String(yes));
  };
  let counted = "";

  const { on } = listen;
  wire(parts, { change, own, alone: () => only(viewer, index), on });
  on(parts.auto, "click", auto);
  on(fold, "click", () => {
    open(Boolean(body.hidden));
    show();
    count();
  });
  open(!folded);

  function show() {
    showChannel(element, parts, own());
    plot.draw();
  }
  function count() {
    if (body.hidden) return;
    const tiles = tilesInView(viewer.frames(), channel.layer, channel.channel);
    const seen = tiles.map((tile) => tile.key).join("|");
    if (!tiles.length || seen === counted) return;
    counted = seen;
    plot.values = sampleOf(tiles);
    plot.draw();
  }
  return { element, show, count, busy: () => plot.dragging };
}

/**
 * @param {Viewer} viewer
 * @param {number} index
 * @param {Partial<ChannelState>} changes
 */
function changeChannel({ state }, index, changes) {
  const channels = state.get("channels");
  state.set({ channels: channels.map((own, i) => (i === index ? { ...own, ...changes } : own)) });
}

/**
 * Show one channel alone; once more: all of them.
 * @param {Viewer} viewer
 * @param {number} index
 */
function only({ state }, index) {
  const channels = state.get("channels");
  const alone = channels.every(({ visible }, i) => visible === (i === index));
  state.set({ channels: channels.map((own, i) => ({ ...own, visible: alone || i === index })) });
}

/**
 * @param {Viewer} viewer
 * @param {Channel} channel
 * @param {{values: Float64Array}} plot
 * @param {boolean} all whether the extremes are wanted, not percentiles
 */
function autoContrast(viewer, channel, plot, all) {
  const tiles = tilesInView(viewer.frames(), channel.layer, channel.channel);
  // a channel that is hidden just now has what it showed last
  const values = tiles.length ? sampleOf(tiles, EXACT) : plot.values;
  if (!values.length) {
    viewer.say(`${channel.name} has no pixels in view; show it, then choose its contrast`);
    return;
  }
  const window = all ? autoWindow(values, 0, 100) : autoWindow(values);
  changeChannel(viewer, channel.index, { window });
}

/** @param {Channel} channel */
function controls({ name }) {
  const number = (/** @type {string} */ kind, /** @type {string} */ label) =>
    h("input", { type: "number", class: kind, step: "any", "aria-label": `${label} of ${name}` });
  return {
    visible: h("input", {
      type: "checkbox",
      class: "nk-visible",
      "aria-label": `show ${name}`,
      title: "Alt+click or Alt+Enter: only this one",
    }),
    color: h("input", { type: "color", class: "nk-color", "aria-label": `colour of ${name}` }),
    auto: h(
      "button",
      {
        class: "nk-auto",
        "aria-label": `auto-contrast of ${name}`,
        title: "Contrast from what is in view: percentiles 0.5 to 99.5; Shift: all of it",
      },
      "Auto",
    ),
    low: number("nk-low", "black value"),
    high: number("nk-high", "full-colour value"),
    gamma: h("input", {
      type: "range",
      class: "nk-gamma",
      min: -2.32,
      max: 2.32,
      step: 0.02,
      "aria-label": `gamma of ${name}`,
      title: "Gamma, 0.2 to 5; double click: 1",
    }),
    gammaText: h("output", { class: "nk-number" }),
  };
}

/**
 * @param {Channel} channel
 * @param {ReturnType<typeof controls>} parts
 * @param {HTMLCanvasElement} canvas
 */
function assemble({ index, name }, parts, canvas) {
  const fold = h("button", { class: "nk-fold", title: name }, name);
  const body = h(
    "div",
    { class: "nk-body" },
    h("div", { class: "nk-plot" }, canvas),
    h(
      "div",
      { class: "nk-line" },
      parts.low,
      h("span", { class: "nk-muted", "aria-hidden": "true" }, "–"),
      parts.high,
      h("span", { class: "nk-muted nk-push", "aria-hidden": "true" }, "γ"),
      parts.gamma,
      parts.gammaText,
    ),
  );
  const line = h("div", { class: "nk-line" }, parts.visible, fold, parts.color, parts.auto);
  const element = h(
    "div",
    { class: "nk-channel", "data-index": index, role: "group", "aria-label": name },
    line,
    body,
  );
  return { element, fold, body };
}

/**
 * @param {ReturnType<typeof controls>} parts
 * @param {{change: (changes: Partial<ChannelState>) => void, own: () => ChannelState,
 *   alone: () => void, on: Listeners["on"]}} to
 */
function wire({ visible, color, low, high, gamma }, { change, own, alone, on }) {
  on(visible, "click", (event) => {
    if (event.altKey) alone();
    else change({ visible: visible.checked });
    visible.checked = own().visible; // the click has turned it, whatever came of it
  });
  on(visible, "keydown", (event) => {
    if (event.altKey && event.key === "Enter") alone();
  });
  on(color, "input", () => change({ color: color.value }));
  const typed = (/** @type {HTMLInputElement} */ input, /** @type {0 | 1} */ end) =>
    on(input, "change", () => {
      const value = input.valueAsNumber;
      const { window } = own();
      if (Number.isFinite(value)) change({ window: end ? [window[0], value] : [value, window[1]] });
      undo(input);
    });
  typed(low, 0);
  typed(high, 1);
  on(gamma, "input", () => change({ gamma: Number((2 ** Number(gamma.value)).toPrecision(3)) }));
  on(gamma, "dblclick", () => change({ gamma: 1 }));
}

/**
 * @param {HTMLElement} element
 * @param {ReturnType<typeof controls>} parts
 * @param {ChannelState} channel
 */
function showChannel(element, parts, { visible, color, window, gamma }) {
  element.style.setProperty("--nk-c", color);
  element.style.setProperty("--nk-on", dark(color) ? "#fff" : "#000");
  element.toggleAttribute("data-off", !visible);
  parts.visible.checked = visible;
  parts.color.value = color;
  put(parts.low, formatNumber(window[0]));
  put(parts.high, formatNumber(window[1]));
  slide(parts.gamma, Math.log2(gamma), `gamma ${gamma}`);
  parts.gammaText.value = gamma.toFixed(2);
}

/** @param {string} color */
function dark(color) {
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16));
  return 0.299 * r + 0.587 * g + 0.114 * b < 140;
}
