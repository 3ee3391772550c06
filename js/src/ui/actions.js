/**
 * Everything one can do: the one table behind keys, buttons, tooltips and help.
 *
 * @typedef {import("../types.js").Viewer} Viewer
 * @typedef {import("../types.js").State} State
 *
 * @typedef {object} Action
 * @property {string} group
 * @property {string} label
 * @property {Record<string, any>} keys   the argument that `run` gets, for each key
 * @property {string} [shown]   keys as help shows them, where listing all would be too long
 * @property {string} [mouse]   what the mouse does for it
 * @property {boolean} [repeats]   again and again while the key is held
 * @property {(viewer: Viewer, argument?: any) => void} run
 */
import { axisOf, chooseLevel } from "../geometry.js";
import { clear, enter, pick, point, take } from "./drawing.js";
import {
  activePane,
  arrange,
  fit,
  inVolume,
  nudge,
  pan,
  placeCrosshair,
  reset,
  shift,
  step,
  turn,
  zoomBy,
} from "./moves.js";

/** @type {State["layout"][]} */
const LAYOUTS = ["plane", "ortho", "volume"];

/** Directions of the arrow keys. @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * @param {string} modifier
 * @param {number} by
 */
function arrows(modifier, by) {
  return Object.fromEntries(
    Object.entries(ARROWS).map(([key, [u, v]]) => [modifier + key, [u * by, v * by]]),
  );
}

/** @param {"scalebar" | "crosshair" | "panel" | "help"} key */
function toggle(key) {
  return (/** @type {Viewer} */ { state }) => state.set({ [key]: !state.get(key) });
}

/** @param {Viewer} viewer @param {[number, number]} by parts of the pane */
function panBy(viewer, [u, v]) {
  const pane = activePane(viewer);
  if (inVolume(viewer)) turn(viewer, u * 90, -v * 90);
  else if (pane) pan(viewer, pane, u * pane.rect.w, v * pane.rect.h);
}

/** @param {Viewer} viewer @param {number} by */
function other(viewer, by) {
  const { axes, spatial } = viewer.manifest;
  const axis = axes.find(({ name, size }) => size > 1 && !spatial.includes(name));
  if (axis) shift(viewer, axis, by);
}

/** @param {Viewer} viewer @param {string} [name] of the axis; by default time, else the normal */
function play(viewer, name) {
  const { manifest, state } = viewer;
  const time = manifest.axes.find(({ type, size }) => type === "time" && size > 1);
  const axis = name ?? time?.name ?? activePane(viewer)?.normal ?? null;
  const playing = state.get("playing");
  const stops = playing !== null && (name === undefined || playing === name);
  state.set({ playing: stops || axis === null || axisOf(manifest, axis).size < 2 ? null : axis });
}

/** @param {Viewer} viewer @param {number} by levels; 0: as suits the zoom */
function hold(viewer, by) {
  const { manifest, state } = viewer;
  const [layer] = manifest.layers;
  const pane = activePane(viewer);
  if (!by || !layer || !pane) return state.set({ held_mag: "" });
  const next = chooseLevel(layer, pane, state.get("held_mag")) + by;
  const level = Math.min(Math.max(next, 0), layer.levels.length - 1);
  state.set({ held_mag: layer.levels[level].mag });
}

/** @param {Viewer} viewer @param {State["layout"]} [layout] by default the next */
function setLayout(viewer, layout) {
  const { manifest, state } = viewer;
  if (manifest.planes.length < 3) return;
  const next = (LAYOUTS.indexOf(state.get("layout")) + 1) % LAYOUTS.length;
  arrange(viewer, { layout: layout ?? LAYOUTS[next], maximised: -1 });
}

/** @param {Viewer} viewer @param {[string, string]} [plane] by default the next */
function setPlane(viewer, plane) {
  const { manifest, state } = viewer;
  const now = state.get("plane").join();
  const found = manifest.planes.findIndex((one) => one.join() === now);
  const next = manifest.planes[(found + 1) % manifest.planes.length];
  arrange(viewer, { layout: "plane", plane: plane ?? next });
}

/** @param {Viewer} viewer */
function maximise({ manifest, state }) {
  if (manifest.planes.length < 3 || state.get("layout") !== "ortho") return;
  state.set({ maximised: state.get("maximised") < 0 ? state.get("pane") : -1 });
}

/** @param {Viewer} viewer */
function nextPane({ manifest, state }) {
  if (manifest.planes.length < 3 || state.get("layout") !== "ortho") return;
  const pane = (state.get("pane") + 1) % 4;
  state.set(state.get("maximised") < 0 ? { pane } : { pane, maximised: pane });
}

/** @param {Viewer} viewer @param {number} index */
function toggleChannel({ state }, index) {
  const channels = state.get("channels");
  state.set({
    channels: channels.map((c, i) => (i === index ? { ...c, visible: !c.visible } : c)),
  });
}

/** @param {Viewer} viewer */
function toggleLabels({ state }) {
  const labels = state.get("labels");
  const visible = !labels.some((layer) => layer.visible);
  state.set({ labels: labels.map((layer) => ({ ...layer, visible })) });
}

/** @param {Viewer} viewer */
function recolour({ state }) {
  const labels = state.get("labels");
  state.set({
    labels: labels.map((layer) => (layer.visible ? { ...layer, seed: layer.seed + 1 } : layer)),
  });
}

/** @param {Viewer} viewer */
async function screenshot(viewer) {
  try {
    const url = URL.createObjectURL(await viewer.picture());
    const link = document.createElement("a");
    link.href = url;
    link.download = `${viewer.manifest.name.replace(/[^\w.-]+/g, "_") || "view"}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  } catch (error) {
    viewer.say(`no screenshot: ${error instanceof Error ? error.message : error}`);
  }
}

const DIGITS = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [String(i + 1), i]));

/** @type {Record<string, Action>} */
export const ACTIONS = {
  pan: {
    group: "Move",
    label: "Pan, Shift: farther; turn the volume",
    keys: { ...arrows("", 1 / 16), ...arrows("Shift+", 1 / 4) },
    shown: "arrows, Shift+arrows",
    mouse: "drag; middle drag with every tool",
    repeats: true,
    run: panBy,
  },
  step: {
    group: "Move",
    label: "Step along the plane's axis; Shift: ten",
    keys: {
      F: 1,
      D: -1,
      ".": 1,
      ",": -1,
      "Shift+F": 10,
      "Shift+D": -10,
      ">": 10,
      "<": -10,
    },
    shown: "F / D, . / ,",
    mouse: "wheel, when focused; Shift: ten",
    repeats: true,
    run: (viewer, count) => step(viewer, count, activePane(viewer)),
  },
  zoom: {
    group: "Move",
    label: "Zoom at the cursor",
    keys: { I: 1.25, O: 0.8, "+": 1.25, "=": 1.25, "-": 0.8 },
    shown: "I / O, + / -",
    mouse: "Ctrl+wheel, pinch",
    repeats: true,
    run: (viewer, factor) => zoomBy(viewer, factor),
  },
  fit: { group: "Move", label: "Fit the image", keys: { 0: null }, run: fit },
  actual: {
    group: "Move",
    label: "One voxel per screen pixel",
    keys: { Z: null },
    run: (viewer) => zoomBy(viewer, 1 / viewer.state.get("zoom")),
  },
  axis: {
    group: "Move",
    label: "Step in time, or the first further axis",
    keys: { "]": 1, "[": -1, "}": 10, "{": -10 },
    shown: "[ / ]",
    repeats: true,
    run: other,
  },
  play: {
    group: "Move",
    label: "Play: time, else the plane's axis",
    keys: { P: undefined },
    run: play,
  },
  position: {
    group: "Move",
    label: "Set the crosshair",
    keys: {},
    mouse: "right click, double click",
    run: placeCrosshair,
  },
  nudge: {
    group: "Move",
    label: "Move the crosshair; Shift: ten",
    keys: { ...arrows("Alt+", 1), ...arrows("Alt+Shift+", 10) },
    shown: "Alt+arrows",
    repeats: true,
    run: (viewer, [u, v]) => nudge(viewer, u, v),
  },
  layout: {
    group: "View",
    label: "Next layout: plane, all three, volume",
    keys: { T: undefined },
    run: setLayout,
  },
  plane: { group: "View", label: "Next plane", keys: { Y: undefined }, run: setPlane },
  maximise: { group: "View", label: "Maximise a pane", keys: { " ": null }, run: maximise },
  pane: { group: "View", label: "Next pane", keys: { W: null }, mouse: "click", run: nextPane },
  mag: {
    group: "View",
    label: "Hold a finer / coarser mag; Shift: automatic",
    keys: { J: -1, K: 1, "Shift+J": 0, "Shift+K": 0 },
    shown: "J / K",
    run: hold,
  },
  channel: {
    group: "View",
    label: "Channels on and off",
    keys: DIGITS,
    shown: "1 - 9",
    run: toggleChannel,
  },
  labels: { group: "View", label: "Labels on and off", keys: { L: null }, run: toggleLabels },
  recolour: { group: "View", label: "Recolour labels", keys: { "Shift+L": null }, run: recolour },
  scalebar: { group: "View", label: "Scale bar", keys: { B: null }, run: toggle("scalebar") },
  crosshair: { group: "View", label: "Crosshair", keys: { C: null }, run: toggle("crosshair") },
  panel: {
    group: "View",
    label: "Channels and labels panel",
    keys: { S: null },
    run: toggle("panel"),
  },
  reset: { group: "View", label: "Reset the view", keys: { R: null }, run: reset },
  "tool-pan": {
    group: "Draw",
    label: "Pan and select labels",
    keys: { V: null },
    run: (viewer) => take(viewer, "pan"),
  },
  "tool-box": {
    group: "Draw",
    label: "Draw a box",
    keys: { X: null },
    mouse: "drag; drag its edges in any pane",
    run: (viewer) => take(viewer, "box"),
  },
  "tool-points": {
    group: "Draw",
    label: "Set points",
    keys: { N: null },
    mouse: "click; Alt+click removes",
    run: (viewer) => take(viewer, "points"),
  },
  "tool-line": {
    group: "Draw",
    label: "Measure a line, with its profile",
    keys: { M: null },
    mouse: "drag; drag its ends",
    run: (viewer) => take(viewer, "line"),
  },
  pick: {
    group: "Draw",
    label: "Select a label; Ctrl or Shift: more",
    keys: {},
    mouse: "click",
    run: pick,
  },
  point: { group: "Draw", label: "Set a point", keys: {}, run: point },
  enter: {
    group: "Draw",
    label:
      "At the crosshair: select (Shift: more), set a point (Alt: remove), begin or end a box or line",
    keys: { Enter: "", "Shift+Enter": "add", "Alt+Enter": "remove" },
    shown: "Enter",
    run: enter,
  },
  clear: {
    group: "Draw",
    label: "Cancel, or clear the drawing, then selected labels; Delete: all of them",
    keys: { Escape: undefined, Delete: "all", Backspace: "all" },
    shown: "Escape, Delete",
    run: clear,
  },
  screenshot: { group: "Other", label: "Screenshot", keys: { Q: null }, run: screenshot },
  retry: {
    group: "Other",
    label: "Read failed tiles again",
    keys: { "Shift+R": null },
    run: ({ tiles }) => tiles.retry(),
  },
  help: { group: "Other", label: "Help", keys: { H: null, "?": null }, run: toggle("help") },
};
