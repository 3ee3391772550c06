/**
 * What the tools do to the selection, whether the mouse or a key says so.
 *
 * @typedef {import("../types.js").Viewer} Viewer
 * @typedef {import("../types.js").State} State
 * @typedef {import("../types.js").Hover} Hover
 * @typedef {import("../types.js").Pane} Pane
 * @typedef {Record<string, number>} Voxel
 */
import { activePane } from "./moves.js";
import { crosshairAt, labelOf } from "./readout.js";
import {
  REACH,
  drawingOf,
  drawn,
  inPlane,
  pointNear,
  withPoint,
  withoutPoint,
} from "./selection.js";

/**
 * Take a tool; what another has begun is forgotten.
 * @param {Viewer} viewer
 * @param {State["tool"]} tool
 */
export function take(viewer, tool) {
  drawingOf(viewer).anchor = null;
  viewer.state.set({ tool });
}

/**
 * Select the label under the cursor, or add it to those selected, or remove it from them.
 * @param {Viewer} viewer
 * @param {{hover: Hover | null, add: boolean}} where
 */
export function pick(viewer, { hover, add }) {
  const found = labelOf(viewer, hover);
  const labels = viewer.state.get("labels").map((layer, i) => {
    const id = found?.layer === i ? found.id : null;
    if (!layer.visible || (add && id === null)) return layer;
    if (!add) return { ...layer, selected: id === null ? [] : [id] };
    const rest = layer.selected.filter((one) => one !== id);
    const known = rest.length < layer.selected.length;
    return { ...layer, selected: known || id === null ? rest : [...rest, id] };
  });
  viewer.state.set({ labels });
}

/**
 * Set a point, or remove the nearest one.
 * @param {Viewer} viewer
 * @param {{pane: Pane, voxel: Voxel, x: number, y: number, remove: boolean}} where
 */
export function point({ manifest, state, dpr }, { pane, voxel, x, y, remove }) {
  const selection = state.get("selection");
  if (!remove) return state.set({ selection: withPoint(manifest, selection, voxel) });
  const points = "kind" in selection && selection.kind === "points" ? selection.points : [];
  const seen = points.map((one) => (inPlane(manifest, state.values, pane, one) ? one : null));
  const index = pointNear(pane, seen, x, y, 2 * REACH * dpr);
  if (index >= 0) state.set({ selection: withoutPoint(selection, index) });
}

/**
 * What a click does, at the crosshair; a box or line needs two.
 * @param {Viewer} viewer
 * @param {"" | "add" | "remove"} how
 */
export function enter(viewer, how) {
  const { manifest, state } = viewer;
  const pane = activePane(viewer);
  if (!pane) return;
  const tool = state.get("tool");
  const voxel = state.get("voxel");
  const hover = crosshairAt(viewer);
  if (tool === "pan") return pick(viewer, { hover, add: how === "add" });
  if (tool === "points") {
    return point(viewer, { pane, voxel, x: hover.x, y: hover.y, remove: how === "remove" });
  }
  const drawing = drawingOf(viewer);
  const { anchor } = drawing;
  const begun = anchor && drawing.tool === tool;
  if (begun) state.set({ selection: drawn(manifest, state.values, pane, anchor, voxel) });
  else viewer.say(`${tool} begun: move the crosshair with Alt+arrows, end with Enter`);
  Object.assign(drawing, { anchor: begun ? null : voxel, tool });
  viewer.invalidate();
}

/**
 * @param {Viewer} viewer
 * @param {"all"} [what] by default only what is under way, else the drawing, else selected labels
 */
export function clear(viewer, what) {
  const { state } = viewer;
  const drawing = drawingOf(viewer);
  const begun = drawing.selection || drawing.anchor;
  Object.assign(drawing, { selection: null, anchor: null });
  if (begun) viewer.invalidate();
  if (begun && !what) return;
  const labels = state.get("labels").map((layer) => ({ ...layer, selected: [] }));
  if (what) state.set({ selection: {}, labels });
  else if ("kind" in state.get("selection")) state.set({ selection: {} });
  else if (state.get("labels").some((layer) => layer.selected.length)) state.set({ labels });
  else take(viewer, "pan");
}
