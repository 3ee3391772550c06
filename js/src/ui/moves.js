/**
 * How a view moves: along the normal, in the plane, nearer and farther. Each changes the state once.
 *
 * @typedef {import("../types.js").State} State
 * @typedef {import("../types.js").Axis} Axis
 * @typedef {import("../types.js").Pane} Pane
 * @typedef {import("../types.js").Viewer} Viewer
 * @typedef {Record<string, number>} Voxel
 */
import { axisOf, chooseLevel, fitZoom, middleOf, panesOf, windowOf, zoomAt } from "../geometry.js";
import { nearestPixel } from "./selection.js";

/** How far one may zoom: out to a part of what fits, in to CSS pixels per voxel. */
const ZOOM = { out: 1 / 64, in: 64 };

/** Degrees that the volume turns by for each CSS pixel of a drag. */
export const TURN = 0.5;

/** The volume as Python turns it at first. @type {[number, number]} */
const FRONT = [30, 20];

/**
 * The plane that keys act on.
 * @param {Viewer} viewer
 * @returns {Pane | null} null when only the volume is shown
 */
export function activePane(viewer) {
  const panes = viewer.panes();
  return panes.find((pane) => pane.index === viewer.state.get("pane")) ?? panes[0] ?? null;
}

/**
 * A pane as it is now, when the state may have changed since it was drawn.
 * @param {Viewer} viewer
 * @param {Pane} pane
 * @returns {Pane}
 */
export function paneNow({ manifest, state, canvas, dpr }, pane) {
  const panes = panesOf(manifest, state.values, canvas.width, canvas.height, dpr);
  return panes.find(({ index }) => index === pane.index) ?? pane;
}

/**
 * Tell whether keys act on the volume.
 * @param {Viewer} viewer
 */
export function inVolume(viewer) {
  const panes = viewer.panes();
  return !panes.length || (panes.length > 1 && viewer.state.get("pane") === 3);
}

/**
 * Move along an axis, as far as the image reaches.
 * @param {Viewer} viewer
 * @param {Axis} axis
 * @param {number} by voxels
 */
export function shift({ manifest, state }, axis, by) {
  const voxel = state.get("voxel");
  state.set({
    voxel: nearestPixel(manifest, { ...voxel, [axis.name]: voxel[axis.name] + by }),
  });
}

/**
 * Step along a pane's normal by pixels of the level that is shown.
 * @param {Viewer} viewer
 * @param {number} count
 * @param {Pane | null} pane
 */
export function step(viewer, count, pane) {
  const { manifest, state } = viewer;
  if (!pane?.normal) return;
  const axis = axisOf(manifest, pane.normal);
  const [layer] = manifest.layers;
  const level = layer?.levels[chooseLevel(layer, pane, state.get("held_mag"))];
  shift(viewer, axis, count * Math.max(1, level?.factor[axis.name] ?? 1));
}

/**
 * Move a pane's picture under the window.
 * @param {Viewer} viewer
 * @param {Pane} pane
 * @param {number} dx device pixels by which the window moves
 * @param {number} dy
 */
export function pan({ state }, pane, dx, dy) {
  const center = { ...state.get("center") };
  center[pane.plane[0]] += dx / pane.scale[0];
  center[pane.plane[1]] += dy / pane.scale[1];
  state.set({ center });
}

/**
 * Turn the volume.
 * @param {Viewer} viewer
 * @param {number} yaw degrees
 * @param {number} pitch
 */
export function turn({ state }, yaw, pitch) {
  const [a, b] = state.get("turn");
  const round = ((((a + yaw + 180) % 360) + 360) % 360) - 180;
  state.set({ turn: [round, Math.min(Math.max(b + pitch, -90), 90)] });
}

/**
 * The zoom at which the whole image is seen.
 * @param {Viewer} viewer
 * @param {Partial<State>} [changes] of the state
 */
export function fitting({ manifest, state, canvas, dpr }, changes = {}) {
  /** @type {State} */
  const values = { ...state.values, ...changes, zoom: 1, maximised: -1 };
  // the volume has no pane: as the plane of the same size
  if (values.layout === "volume") values.layout = "plane";
  return fitZoom(manifest, panesOf(manifest, values, canvas.width, canvas.height, dpr), dpr);
}

/**
 * Show other panes. Who sees the whole image does so afterwards.
 * @param {Viewer} viewer
 * @param {Partial<State>} changes
 */
export function arrange(viewer, changes) {
  const { state } = viewer;
  const whole = Math.abs(state.get("zoom") / fitting(viewer) - 1) < 1e-6;
  state.set(whole ? { ...changes, zoom: fitting(viewer, changes) } : changes);
}

/**
 * Zoom, so that what is at a device pixel stays there.
 * @param {Viewer} viewer
 * @param {number} factor above 1: nearer
 * @param {{pane: Pane | null, x: number, y: number} | null} [at] by default where the cursor is,
 *   else the middle of the active pane
 */
export function zoomBy(viewer, factor, at = cursor(viewer)) {
  const { manifest, state } = viewer;
  const fit = fitting(viewer);
  const before = state.get("zoom");
  const zoom = Math.min(Math.max(before * factor, fit * ZOOM.out), Math.max(ZOOM.in, fit));
  const pane = at?.pane && paneNow(viewer, at.pane);
  state.set(pane ? zoomAt(state.values, manifest, pane, at.x, at.y, zoom / before) : { zoom });
}

/** @param {Viewer} viewer */
function cursor(viewer) {
  const hover = viewer.state.get("hover");
  const under = hover && viewer.panes().find((pane) => pane.index === hover.pane);
  if (hover && under) return { pane: under, x: hover.x + 0.5, y: hover.y + 0.5 };
  const pane = inVolume(viewer) ? null : activePane(viewer);
  return pane && { pane, x: pane.rect.x + pane.rect.w / 2, y: pane.rect.y + pane.rect.h / 2 };
}

/**
 * Show all of the image.
 * @param {Viewer} viewer
 */
export function fit(viewer) {
  const { manifest, state } = viewer;
  state.set({ center: middleOf(manifest), zoom: fitting(viewer) });
}

/**
 * See the image as at first: all of it, with mags as they suit, the volume from its front.
 * @param {Viewer} viewer
 */
export function reset(viewer) {
  viewer.state.set({ held_mag: "", maximised: -1, turn: FRONT });
  fit(viewer);
}

/**
 * Put the crosshair on a pixel. Panes that show it stay, the others move there.
 * @param {Viewer} viewer
 * @param {Voxel} to fractions allowed
 */
export function placeCrosshair(viewer, to) {
  const { manifest, state } = viewer;
  const voxel = nearestPixel(manifest, to);
  const center = { ...state.get("center") };
  for (const pane of viewer.panes()) {
    for (const [i, range] of windowOf(pane).entries()) {
      const name = pane.plane[i];
      if (voxel[name] < range[0] || voxel[name] > range[1]) center[name] = voxel[name];
    }
  }
  state.set({ voxel, center });
}

/**
 * Move the crosshair in the active pane.
 * @param {Viewer} viewer
 * @param {number} du voxels
 * @param {number} dv
 */
export function nudge(viewer, du, dv) {
  const pane = activePane(viewer);
  if (!pane) return;
  const voxel = { ...viewer.state.get("voxel") };
  voxel[pane.plane[0]] += du;
  voxel[pane.plane[1]] += dv;
  placeCrosshair(viewer, voxel);
}
