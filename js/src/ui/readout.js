/**
 * What is under the cursor: position, and the very pixels that are on the screen there.
 *
 * @typedef {import("../types.js").Axis} Axis
 * @typedef {import("../types.js").Hover} Hover
 * @typedef {import("../types.js").Viewer} Viewer
 * @typedef {import("../types.js").Pane} Pane
 * @typedef {import("../types.js").Cover} Cover
 */
import { positionText, sampleAt, toScreen, valueAt } from "../geometry.js";
import { activePane } from "./moves.js";

/**
 * @param {Viewer} viewer
 * @param {number} x device pixel of the canvas
 * @param {number} y
 * @returns {Hover | null} null outside of the panes
 */
export function hoverAt(viewer, x, y) {
  // what is drawn at a device pixel is what lies at its middle
  const found = viewer.at(x + 0.5, y + 0.5);
  if (!found) return null;
  const { pane } = found;
  const { axes } = viewer.manifest;
  /** @type {Record<string, number>} */
  const voxel = {};
  for (const { name } of axes) voxel[name] = Math.floor(found.voxel[name] + 0.5);
  const inside = axes.every(({ name, size }) => voxel[name] >= 0 && voxel[name] < size);
  const base = { pane: pane.index, x, y, voxel };
  if (!inside) return { ...base, position: "outside of the image", values: [], error: "" };
  return { ...base, position: positionOf(axes, voxel), ...pixelsAt(viewer, pane, x, y) };
}

/**
 * The same for the crosshair, if it is in view in the active pane; without values otherwise.
 * @param {Viewer} viewer
 * @returns {Hover}
 */
export function crosshairAt(viewer) {
  const pane = activePane(viewer);
  const voxel = viewer.state.get("voxel");
  const [x, y] = pane
    ? toScreen(pane, voxel[pane.plane[0]], voxel[pane.plane[1]]).map(Math.floor)
    : [-1, -1];
  const seen = pane && viewer.at(x + 0.5, y + 0.5)?.pane.index === pane.index;
  return {
    pane: pane?.index ?? -1,
    x,
    y,
    voxel,
    position: positionOf(viewer.manifest.axes, voxel),
    ...(seen ? pixelsAt(viewer, pane, x, y) : { values: [], error: "" }),
  };
}

/**
 * @param {Axis[]} axes
 * @param {Record<string, number>} voxel
 */
export function positionOf(axes, voxel) {
  return axes
    .filter((axis) => axis.size > 1)
    .map((axis) => positionText(axis, voxel[axis.name]))
    .join(" ");
}

/**
 * @param {Viewer} viewer
 * @param {Pane} pane
 * @param {number} x
 * @param {number} y
 * @returns {{values: Hover["values"], error: string}}
 */
function pixelsAt(viewer, pane, x, y) {
  const { layers } = viewer.manifest;
  const frame = viewer.frames().find((shown) => shown.pane.index === pane.index);
  const several = layers.filter((layer) => layer.kind === "intensity").length > 1;
  const values = [];
  let error = "";
  for (const cover of frame?.covers ?? []) {
    const layer = layers[cover.layer];
    const pixel = pixelAt(viewer, pane, cover, x + 0.5, y + 0.5);
    if (pixel.cause) error ||= pixel.cause;
    // no id is no label: who reads these takes a text for an id
    if (layer.kind === "label" && !pixel.mag) continue;
    const { label } = layer.channels[cover.channel];
    const name = layer.kind === "label" ? layer.name : several ? `${layer.name} ${label}` : label;
    values.push({ label: name, text: pixel.text, mag: pixel.mag });
  }
  return { values, error };
}

/**
 * @param {Viewer} viewer
 * @param {Pane} pane
 * @param {Cover} cover
 * @param {number} x
 * @param {number} y
 */
function pixelAt({ manifest }, pane, cover, x, y) {
  const [px, py] = [x - pane.rect.x, y - pane.rect.y];
  const failed = cover.failed.find(
    ({ screen: [left, top, right, low] }) => px >= left && px < right && py >= top && py < low,
  );
  if (failed) return { text: "unreadable", mag: "", cause: failed.cause };
  const found = sampleAt(cover, pane, x, y);
  if (!found) return { text: "…", mag: "", cause: "" };
  const { tile, row, column } = found;
  return {
    text: valueText(valueAt(tile, row, column), tile.dtype),
    mag: manifest.layers[cover.layer].levels[tile.request.level].mag,
    cause: "",
  };
}

/**
 * The shortest number that is exactly this value in its own dtype.
 * @param {number | bigint} value
 * @param {string} dtype
 */
export function valueText(value, dtype) {
  if (typeof value === "number" && (dtype === "float32" || dtype === "float16")) {
    for (let digits = 6; digits < 10; digits++) {
      const short = Number(value.toPrecision(digits));
      if (Math.fround(short) === value) return String(short);
    }
  }
  return String(value);
}

/**
 * The topmost label of what is under the cursor.
 * @param {Viewer} viewer
 * @param {Hover | null} hover
 * @returns {{layer: number, id: string} | null} `layer`: which of the label layers
 */
export function labelOf({ manifest }, hover) {
  const layers = manifest.layers.filter((layer) => layer.kind === "label");
  for (let layer = layers.length - 1; layer >= 0; layer--) {
    const found = hover?.values.find((value) => value.label === layers[layer].name);
    if (found && found.text !== "0" && found.mag) return { layer, id: found.text };
  }
  return null;
}

/**
 * The ids under the cursor, which are brighter than others, for each label layer.
 * @param {Viewer} viewer
 * @returns {(string | null)[]}
 */
export function hoveredLabels({ manifest, state }) {
  const values = state.get("hover")?.values ?? [];
  return manifest.layers
    .filter(({ kind }) => kind === "label")
    .map(({ name }) => values.find(({ label }) => label === name)?.text ?? null);
}

/**
 * Look again where the cursor is: what is there has changed.
 * @param {Viewer} viewer
 */
export function refreshHover(viewer) {
  const hover = viewer.state.get("hover");
  if (hover) viewer.state.set({ hover: hoverAt(viewer, hover.x, hover.y) });
}
