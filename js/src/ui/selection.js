/**
 * What the user draws: a box, points, a line. Positions are voxels by axis name.
 *
 * @typedef {import("../types.js").Manifest} Manifest
 * @typedef {import("../types.js").State} State
 * @typedef {import("../types.js").Selection} Selection
 * @typedef {import("../types.js").Axis} Axis
 * @typedef {import("../types.js").Pane} Pane
 * @typedef {import("../types.js").Viewer} Viewer
 * @typedef {Record<string, number>} Voxel
 * @typedef {{edges: Record<string, "lo" | "hi">} | {index: number}} Grip
 *   what of a drawing the cursor has got hold of: edges of a box by axis, or a point
 * @typedef {{selection: Selection | null, anchor: Voxel | null, tool: string, keyed: boolean}} Drawing
 */
import { toScreen } from "../geometry.js";

/** Distance at which the cursor gets hold of something, in CSS pixels. */
export const REACH = 6;

/** @type {WeakMap<object, Drawing>} */
const drawings = new WeakMap();

/**
 * What is under way in a view, not yet part of its state: the drawing while it is dragged, the first
 * corner set by a key, and whether the last change came from a key.
 * @param {Viewer} viewer
 * @returns {Drawing}
 */
export function drawingOf(viewer) {
  let found = drawings.get(viewer);
  if (!found) {
    drawings.set(viewer, (found = { selection: null, anchor: null, tool: "", keyed: false }));
  }
  return found;
}

/**
 * The drawing to show now, finished or not.
 * @param {Viewer} viewer
 * @param {Pane} pane the active one
 * @returns {Selection}
 */
export function shownSelection(viewer, pane) {
  const { selection, anchor, tool } = drawingOf(viewer);
  const state = viewer.state.values;
  if (selection) return selection;
  if (!anchor || tool !== state.tool) return state.selection;
  return drawn(viewer.manifest, state, pane, anchor, state.voxel);
}

/**
 * The nearest pixel of an axis.
 * @param {Axis} axis
 * @param {number} voxel
 */
export function nearest(axis, voxel) {
  return Math.min(Math.max(Math.floor(voxel + 0.5), 0), axis.size - 1);
}

/**
 * The nearest pixel of the image, for every axis.
 * @param {Manifest} manifest
 * @param {Voxel} voxel
 * @returns {Voxel}
 */
export function nearestPixel(manifest, voxel) {
  return Object.fromEntries(manifest.axes.map((a) => [a.name, nearest(a, voxel[a.name])]));
}

/**
 * What the tool draws from one position to another.
 * @param {Manifest} manifest
 * @param {State} state
 * @param {Pane} pane where it is drawn
 * @param {Voxel} from
 * @param {Voxel} to
 * @returns {Selection}
 */
export function drawn(manifest, state, pane, from, to) {
  return state.tool === "line"
    ? { kind: "line", points: [nearestPixel(manifest, from), nearestPixel(manifest, to)] }
    : boxBetween(manifest, state, pane, from, to);
}

/**
 * The box that holds two pixels. Along axes on which they don't differ, the plane's own ones
 * excepted, it is as thick as the box before it if that holds the pixel, else as the slab.
 * @param {Manifest} manifest
 * @param {State} state
 * @param {Pane} pane
 * @param {Voxel} from
 * @param {Voxel} to
 * @returns {{kind: "box", lo: Voxel, hi: Voxel}}
 */
export function boxBetween(manifest, state, pane, from, to) {
  const before = "kind" in state.selection && state.selection.kind === "box" && state.selection;
  /** @type {Voxel} */
  const lo = {};
  /** @type {Voxel} */
  const hi = {};
  for (const axis of manifest.axes) {
    const { name } = axis;
    if (!manifest.spatial.includes(name)) continue;
    const [a, b] = [nearest(axis, from[name]), nearest(axis, to[name])];
    if (pane.plane.includes(name) || a !== b) {
      [lo[name], hi[name]] = [Math.min(a, b), Math.max(a, b) + 1];
    } else if (before && before.lo[name] <= a && a < before.hi[name]) {
      [lo[name], hi[name]] = [before.lo[name], before.hi[name]];
    } else {
      const half = name === pane.normal ? (state.slab - 1) / 2 : 0;
      lo[name] = Math.max(0, Math.ceil(a - half));
      hi[name] = Math.min(axis.size, Math.floor(a + half) + 1);
    }
  }
  return { kind: "box", lo, hi };
}

/**
 * Tell whether a point lies in what a pane shows: its plane or slab, at its time.
 * @param {Manifest} manifest
 * @param {State} state
 * @param {Pane} pane
 * @param {Voxel} point
 */
export function inPlane(manifest, state, pane, point) {
  return manifest.axes.every(({ name }) => {
    if (pane.plane.includes(name)) return true;
    const reach = name === pane.normal ? (state.slab - 1) / 2 : 0;
    return Math.abs(point[name] - state.voxel[name]) <= reach + 0.5;
  });
}

/**
 * Index of the point nearest to a device pixel, -1 if none is within reach.
 * @param {Pane} pane
 * @param {(Voxel | null)[]} points null ones don't count
 * @param {number} x
 * @param {number} y
 * @param {number} reach device pixels
 */
export function pointNear(pane, points, x, y, reach) {
  let best = -1;
  let least = reach;
  for (const [i, point] of points.entries()) {
    if (!point) continue;
    const [px, py] = toScreen(pane, point[pane.plane[0]], point[pane.plane[1]]);
    const distance = Math.hypot(px - x, py - y);
    if (distance <= least) [best, least] = [i, distance];
  }
  return best;
}

/**
 * What of a drawing is within reach of a device pixel.
 * @param {Manifest} manifest
 * @param {State} state
 * @param {Pane} pane
 * @param {number} x
 * @param {number} y
 * @param {number} reach device pixels
 * @returns {Grip | null}
 */
export function gripAt(manifest, state, pane, x, y, reach) {
  const { selection } = state;
  if (!("kind" in selection)) return null;
  if (selection.kind === "box") return edgesNear(selection, pane, [x, y], reach);
  const seen = selection.points.map((point) =>
    selection.kind === "line" || inPlane(manifest, state, pane, point) ? point : null,
  );
  const index = pointNear(pane, seen, x, y, reach);
  return index < 0 ? null : { index };
}

/**
 * @param {{lo: Voxel, hi: Voxel}} box
 * @param {Pane} pane
 * @param {[number, number]} at
 * @param {number} reach
 * @returns {Grip | null}
 */
function edgesNear({ lo, hi }, pane, at, reach) {
  const [u, v] = pane.plane;
  const first = toScreen(pane, lo[u] - 0.5, lo[v] - 0.5);
  const last = toScreen(pane, hi[u] - 0.5, hi[v] - 0.5);
  /** @type {Record<string, "lo" | "hi">} */
  const edges = {};
  for (const i of [0, 1]) {
    if (at[i] < first[i] - reach || at[i] > last[i] + reach) return null;
    const [a, b] = [Math.abs(at[i] - first[i]), Math.abs(at[i] - last[i])];
    if (Math.min(a, b) <= reach) edges[pane.plane[i]] = a < b ? "lo" : "hi";
  }
  return Object.keys(edges).length ? { edges } : null;
}

/**
 * A drawing after what the cursor holds was moved. The axis across the pane stays as it is.
 * @param {Manifest} manifest
 * @param {Selection} selection
 * @param {Grip} grip
 * @param {Pane} pane
 * @param {Voxel} by how far, along the pane's axes
 * @returns {Selection}
 */
export function moved(manifest, selection, grip, pane, by) {
  if (!("kind" in selection)) return selection;
  if (selection.kind === "box" && "edges" in grip) {
    const box = { kind: selection.kind, lo: { ...selection.lo }, hi: { ...selection.hi } };
    for (const [name, edge] of Object.entries(grip.edges)) {
      const to = Math.floor(selection[edge][name] + by[name] + 0.5);
      const size = manifest.axes.find((axis) => axis.name === name)?.size ?? 1;
      if (edge === "lo") box.lo[name] = Math.max(0, Math.min(to, box.hi[name] - 1));
      else box.hi[name] = Math.min(size, Math.max(to, box.lo[name] + 1));
    }
    return box;
  }
  if (selection.kind === "box" || "edges" in grip) return selection;
  const points = selection.points.map((point, i) => {
    if (i !== grip.index) return point;
    const shifted = { ...point };
    for (const name of pane.plane) shifted[name] += by[name];
    return nearestPixel(manifest, shifted);
  });
  return { kind: selection.kind, points };
}

/**
 * The points with one more; the same if it is there already.
 * @param {Manifest} manifest
 * @param {Selection} selection
 * @param {Voxel} voxel
 * @returns {Selection}
 */
export function withPoint(manifest, selection, voxel) {
  const pixel = nearestPixel(manifest, voxel);
  const points = "kind" in selection && selection.kind === "points" ? selection.points : [];
  const known = points.some((point) => manifest.axes.every((a) => point[a.name] === pixel[a.name]));
  return { kind: "points", points: known ? points : [...points, pixel] };
}

/**
 * The points without one; the last one leaves nothing.
 * @param {Selection} selection
 * @param {number} index
 * @returns {Selection}
 */
export function withoutPoint(selection, index) {
  if (!("kind" in selection) || selection.kind !== "points") return selection;
  const points = selection.points.filter((_, i) => i !== index);
  return points.length ? { kind: "points", points } : {};
}

/**
 * Length of a line in the unit of the reference axis.
 * @param {Manifest} manifest
 * @param {Voxel[]} points
 */
export function lineLength(manifest, [a, b]) {
  const reference = manifest.axes.find((axis) => axis.name === manifest.reference);
  if (!reference) return 0;
  const space = manifest.axes.filter((axis) => manifest.spatial.includes(axis.name));
  const shared = Math.hypot(...space.map(({ name, display }) => (b[name] - a[name]) * display));
  return (shared / reference.display) * Math.abs(reference.scale);
}
