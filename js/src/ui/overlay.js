/**
 * What is drawn above the picture: crosshair, scale bar, names of planes, the selection.
 *
 * @typedef {import("../types.js").Viewer} Viewer
 * @typedef {import("../types.js").Manifest} Manifest
 * @typedef {import("../types.js").State} State
 * @typedef {import("../types.js").Pane} Pane
 * @typedef {import("../types.js").Selection} Selection
 * @typedef {CanvasRenderingContext2D} Context
 * @typedef {Record<string, number>} Voxel
 */
import { axisOf, lengthText, niceLength, toScreen, volumeRect } from "../geometry.js";
import { activePane, inVolume } from "./moves.js";
import { refreshHover } from "./readout.js";
import { inPlane, lineLength, shownSelection } from "./selection.js";

/**
 * Lines of the crosshair, by the axis that they run along: last, second last and third last one of
 * space. Told apart by colours that colour-blind people see, and by dashes.
 */
const LINES = [
  { color: "#e8743b", dash: [] },
  { color: "#3fb56f", dash: [10, 4] },
  { color: "#4a90d9", dash: [3, 3] },
];
const ACCENT = "#1f9ede";
const DRAWN = "#ffd60a";
const SHADE = "rgba(0, 0, 0, 0.62)";

/** Part of a pane's width that its scale bar may take. */
const BAR = 0.3;

/** The overlay says so after each drawing; others follow what is on the screen by this event. */
export const DRAWN_EVENT = "nk-drawn";

/** What each overlay shows, as a text that is equal for equal pictures. */
const SHOWN = new WeakMap();

/**
 * Draw all that is above the picture, if it isn't there already: stepping through planes leaves
 * most of it as it is.
 * @param {Viewer} viewer
 * @param {Context} context of the overlay
 */
function drawOverlay(viewer, context) {
  const { state, overlay } = viewer;
  const { voxel, crosshair: crossed } = state.values;
  const panes = viewer.panes();
  const active = activePane(viewer);
  const selection = active ? shownSelection(viewer, active) : {};
  const drawn = Object.keys(selection).length ? [selection, voxel] : null;
  const crossing = crossed && panes.map(({ plane }) => plane.map((name) => voxel[name]));
  const { layout, maximised, scalebar } = state.values;
  const volume = [inVolume(viewer), layout, maximised];
  const { width, height } = overlay;
  const key = JSON.stringify([panes, active, drawn, crossing, scalebar, volume, width, height]);
  if (SHOWN.get(overlay) !== key) {
    SHOWN.set(overlay, key);
    paint(viewer, context, selection);
  }
  refreshHover(viewer);
  overlay.dispatchEvent(new Event(DRAWN_EVENT));
}

/**
 * @param {Viewer} viewer
 * @param {Context} context
 * @param {Selection} selection
 */
function paint(viewer, context, selection) {
  const { manifest, state, canvas, dpr } = viewer;
  const values = state.values;
  context.clearRect(0, 0, context.canvas.width, context.canvas.height);
  const panes = viewer.panes();
  const active = activePane(viewer);
  for (const pane of panes) {
    clipped(context, pane.rect, () => {
      drawSelection(context, viewer, pane, selection);
      if (values.crosshair) crosshair(context, viewer, pane);
      if (values.scalebar) scaleBar(context, manifest, pane, dpr);
      if (manifest.planes.length > 1) tag(context, pane.plane.join(""), pane.rect, dpr);
    });
  }
  const volume = volumeRect(manifest, values, canvas.width, canvas.height, dpr);
  if (volume) tag(context, "3D", volume, dpr);
  const framed = inVolume(viewer) ? volume : active?.rect;
  if (framed && panes.length > 1) frame(context, framed, dpr);
}

/**
 * Draw again what is above the picture, which itself hasn't changed.
 * @param {Viewer} viewer
 */
export function redraw(viewer) {
  const context = viewer.overlay.getContext("2d");
  if (context) drawOverlay(viewer, context);
}

/**
 * @param {Context} context
 * @param {Pane["rect"]} rect
 * @param {() => void} draw
 */
function clipped(context, { x, y, w, h }, draw) {
  context.save();
  context.beginPath();
  context.rect(x, y, w, h);
  context.clip();
  draw();
  context.restore();
}

/**
 * Lines of a width, in a colour over a dark one that keeps them visible on any picture.
 * @param {Context} context
 * @param {number} dpr
 * @param {string} color
 * @param {number[]} dash CSS pixels
 */
function stroke(context, dpr, color, dash = []) {
  const width = Math.max(1, Math.round(dpr));
  context.setLineDash(dash.map((length) => length * dpr));
  context.lineWidth = 3 * width;
  context.strokeStyle = "rgba(0, 0, 0, 0.35)";
  context.stroke();
  context.lineWidth = width;
  context.strokeStyle = color;
  context.stroke();
}

/**
 * A line of `stroke`'s width lies on whole device pixels when its middle is here.
 * @param {number} at
 * @param {number} dpr
 */
function crisp(at, dpr) {
  return Math.max(1, Math.round(dpr)) % 2 ? Math.floor(at) + 0.5 : Math.round(at);
}

/** @param {Context} context @param {Viewer} viewer @param {Pane} pane */
function crosshair(context, { manifest, state, dpr }, pane) {
  const { x, y, w, h } = pane.rect;
  const voxel = state.get("voxel");
  const at = pane.plane.map((name) => voxel[name]);
  const center = toScreen(pane, at[0], at[1]).map((value) => crisp(value, dpr));
  // what the crosshair is on stays visible
  const gaps = pane.scale.map((scale) => Math.max(8 * dpr, scale / 2 + 2 * dpr));
  for (const i of [0, 1]) {
    const [from, to] = i ? [y, y + h] : [x, x + w];
    context.beginPath();
    for (const [a, b] of [
      [from, center[i] - gaps[i]],
      [center[i] + gaps[i], to],
    ]) {
      if (b <= a) continue;
      const ends = i ? [center[0], a, center[0], b] : [a, center[1], b, center[1]];
      context.moveTo(ends[0], ends[1]);
      context.lineTo(ends[2], ends[3]);
    }
    const place = manifest.spatial.length - 1 - manifest.spatial.indexOf(pane.plane[i]);
    const { color, dash } = LINES[place] ?? LINES[2];
    stroke(context, dpr, color, dash);
  }
}

/**
 * The scale bar of a pane: its length in the axis' unit, in device pixels, and as text.
 * @param {Manifest} manifest
 * @param {Pane} pane
 */
export function barOf(manifest, pane) {
  const axis = axisOf(manifest, pane.plane[0]);
  const perPixel = Math.abs(axis.scale) / pane.scale[0];
  const limit = pane.rect.w * BAR * perPixel;
  if (!(limit > 0 && Number.isFinite(limit))) return null;
  const length = niceLength(limit);
  return { length, width: length / perPixel, text: lengthText(length, axis.unit) };
}

/** @param {Context} context @param {Manifest} manifest @param {Pane} pane @param {number} dpr */
function scaleBar(context, manifest, pane, dpr) {
  const bar = barOf(manifest, pane);
  if (!bar) return;
  const { rect } = pane;
  font(context, dpr);
  const text = context.measureText(bar.text).width;
  const inner = Math.max(bar.width, text);
  const [pad, high] = [6 * dpr, 24 * dpr];
  const width = Math.round(inner + 2 * pad);
  const left = Math.round(rect.x + rect.w - width - 6 * dpr);
  const top = Math.round(rect.y + rect.h - high - 6 * dpr);
  plate(context, left, top, width, high);
  context.fillText(bar.text, left + width / 2 - text / 2, top + 9 * dpr);
  const from = Math.round(left + width / 2 - bar.width / 2);
  context.fillRect(from, top + Math.round(17 * dpr), Math.round(bar.width), Math.round(3 * dpr));
}

/** @param {Context} context @param {number} dpr */
function font(context, dpr) {
  context.font = `600 ${11 * dpr}px system-ui, sans-serif`;
  context.textBaseline = "middle";
}

/**
 * White on its dark plate is legible on whatever the picture shows there.
 * @param {Context} context
 * @param {number} x
 * @param {number} y
 * @param {number} w
 * @param {number} h
 */
function plate(context, x, y, w, h) {
  context.fillStyle = SHADE;
  context.fillRect(x, y, w, h);
  context.fillStyle = "#fff";
}

/** @param {Context} context @param {string} text @param {Pane["rect"]} rect @param {number} dpr */
function tag(context, text, { x, y }, dpr) {
  font(context, dpr);
  const width = Math.round(context.measureText(text).width + 10 * dpr);
  const [edge, high] = [Math.round(6 * dpr), Math.round(18 * dpr)];
  const [left, top] = [x + edge, y + edge];
  plate(context, left, top, width, high);
  context.fillText(text, left + 5 * dpr, top + high / 2);
}

/** @param {Context} context @param {Pane["rect"]} rect @param {number} dpr */
function frame(context, { x, y, w, h }, dpr) {
  const width = Math.max(1, Math.round(1.5 * dpr));
  context.setLineDash([]);
  context.lineWidth = width;
  context.strokeStyle = ACCENT;
  context.strokeRect(x + width / 2, y + width / 2, w - width, h - width);
}

/**
 * @param {Context} context
 * @param {Viewer} viewer
 * @param {Pane} pane
 * @param {Selection} selection
 */
function drawSelection(context, viewer, pane, selection) {
  if (!("kind" in selection)) return;
  if (selection.kind === "box") box(context, viewer, pane, selection);
  else if (selection.kind === "line") line(context, viewer, pane, selection.points);
  else for (const point of selection.points) dot(context, viewer, pane, point, false);
}

/**
 * @param {Context} context
 * @param {Viewer} viewer
 * @param {Pane} pane
 * @param {{lo: Voxel, hi: Voxel}} selection
 */
function box(context, { state, dpr }, pane, { lo, hi }) {
  const [u, v] = pane.plane;
  const first = toScreen(pane, lo[u] - 0.5, lo[v] - 0.5);
  const last = toScreen(pane, hi[u] - 0.5, hi[v] - 0.5);
  const [left, top] = first.map((at) => crisp(at, dpr));
  const [right, bottom] = last.map((at) => crisp(at, dpr));
  const at = pane.normal === null ? 0 : state.get("voxel")[pane.normal];
  const cut = pane.normal === null || (lo[pane.normal] <= at && at < hi[pane.normal]);
  context.beginPath();
  context.rect(left, top, right - left, bottom - top);
  if (cut) {
    context.fillStyle = "rgba(255, 214, 10, 0.08)";
    context.fill();
  }
  // in front of the plane or behind it: dashed
  stroke(context, dpr, DRAWN, cut ? [] : [4, 4]);
  if (state.get("tool") !== "box") return;
  for (const x of [left, right]) for (const y of [top, bottom]) handle(context, x, y, dpr);
}

/** @param {Context} context @param {number} x @param {number} y @param {number} dpr */
function handle(context, x, y, dpr) {
  const size = Math.round(7 * dpr);
  context.fillStyle = "#000";
  context.fillRect(Math.floor(x - size / 2) - 1, Math.floor(y - size / 2) - 1, size + 2, size + 2);
  context.fillStyle = DRAWN;
  context.fillRect(Math.floor(x - size / 2), Math.floor(y - size / 2), size, size);
}

/**
 * @param {Context} context
 * @param {Viewer} viewer
 * @param {Pane} pane
 * @param {Voxel} point
 * @param {boolean} always also when it is of another time
 */
function dot(context, { manifest, state, dpr }, pane, point, always) {
  const here = inPlane(manifest, state.values, pane, point);
  // others are shown fainter, if they are of this time
  const beside = pane.normal && { ...point, [pane.normal]: state.get("voxel")[pane.normal] };
  if (!always && !here && !(beside && inPlane(manifest, state.values, pane, beside))) return;
  const [x, y] = toScreen(pane, point[pane.plane[0]], point[pane.plane[1]]);
  context.save();
  context.globalAlpha = here ? 1 : 0.45;
  context.beginPath();
  context.arc(x, y, (here ? 4 : 3) * dpr, 0, 2 * Math.PI);
  stroke(context, dpr, DRAWN);
  if (here) {
    context.fillStyle = DRAWN;
    context.fill();
  }
  context.restore();
}

/** @param {Context} context @param {Viewer} viewer @param {Pane} pane @param {Voxel[]} points */
function line(context, viewer, pane, points) {
  const { manifest, dpr } = viewer;
  const [u, v] = pane.plane;
  const ends = points.map((point) => toScreen(pane, point[u], point[v]));
  context.beginPath();
  for (const [x, y] of ends) context.lineTo(x, y);
  stroke(context, dpr, DRAWN);
  for (const point of points) dot(context, viewer, pane, point, true);
  if (points.length !== 2) return;
  const length = lineLength(manifest, points);
  if (!(length > 0)) return;
  const { unit } = axisOf(manifest, manifest.reference);
  const text = lengthText(Number(length.toPrecision(4)), unit);
  font(context, dpr);
  const width = Math.round(context.measureText(text).width + 10 * dpr);
  // beside an end, so that it hides none of a short line
  const [left, right] = ends[0][0] < ends[1][0] ? ends : [ends[1], ends[0]];
  const fits = right[0] + 8 * dpr + width <= pane.rect.x + pane.rect.w;
  const x = Math.round(fits ? right[0] + 8 * dpr : left[0] - 8 * dpr - width);
  const y = Math.round((fits ? right : left)[1] - 9 * dpr);
  plate(context, x, y, width, Math.round(18 * dpr));
  context.fillText(text, x + 5 * dpr, y + 9 * dpr);
}
