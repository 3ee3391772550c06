/**
 * Levels and their tiles: which level suits a pane, which tiles of it are seen.
 *
 * @typedef {import("./types.js").Layer} Layer
 * @typedef {import("./types.js").Level} Level
 * @typedef {import("./types.js").Manifest} Manifest
 * @typedef {import("./types.js").Pane} Pane
 * @typedef {import("./types.js").SharedState} SharedState
 * @typedef {import("./types.js").TileAddress} TileAddress
 * @typedef {import("./types.js").TileRequest} TileRequest
 * @typedef {[number, number]} Range
 */

import { itemSize } from "./pixels.js";

/**
 * Tiles of a level along each axis of a pane, at most. More are in view only where a fine mag is
 * held while zoomed far out; then the ones around the centre are shown, coarser ones beyond.
 */
const MOST = 32;

/**
 * @param {TileRequest} request
 * @returns {string} equal for equal requests only
 */
export function keyOf({ layer, level, channel, order, box }) {
  const ranges = Object.keys(box)
    .sort()
    .map((axis) => `${axis}:${box[axis][0]}-${box[axis][1]}`);
  return `${layer}/${level}/${channel}/${order.join(",")}/${ranges.join(",")}`;
}

/**
 * @param {TileRequest} request
 * @param {Layer} layer
 * @returns {TileAddress}
 */
export function addressOf(request, layer) {
  const count = request.order.reduce((n, a) => n * (request.box[a][1] - request.box[a][0]), 1);
  const size = layer.dtype === "float16" ? 4 : itemSize(layer.dtype); // it is widened on arrival
  return { key: keyOf(request), request, bytes: count * size };
}

/**
 * The voxels that a pane shows, along its two axes.
 * @param {Pane} pane
 * @returns {[Range, Range]}
 */
export function windowOf({ corner, rect, scale }) {
  return [
    [corner[0], corner[0] + rect.w / scale[0]],
    [corner[1], corner[1] + rect.h / scale[1]],
  ];
}

/**
 * The level that has about one pixel per device pixel, rather too fine than too coarse.
 * @param {Layer} layer
 * @param {Pane} pane
 * @param {string} heldMag   shown whatever the zoom, if the layer has it
 * @returns {number} its index
 */
export function chooseLevel(layer, pane, heldMag) {
  const held = layer.levels.findIndex((level) => level.mag === heldMag);
  if (held >= 0) return held;
  const [u, v] = pane.plane;
  const finest = layer.levels[0].factor;
  // along an axis where even the finest pixels are larger than the screen's, these are enough
  const [limitU, limitV] = pane.scale.map(
    (scale, i) => Math.max(1 / scale, finest[pane.plane[i]]) * (1 + 1e-6),
  );
  let best = 0;
  let most = 0;
  layer.levels.forEach(({ factor }, index) => {
    const area = factor[u] * factor[v];
    if (factor[u] <= limitU && factor[v] <= limitV && area > most) [best, most] = [index, area];
  });
  return best;
}

/**
 * The level's pixel at a voxel. Coarse levels may end before the image does, by less than one of
 * their pixels; their last pixel is shown there.
 * @param {Level} level
 * @param {string} axis
 * @param {number} voxel
 * @returns {number | null} null where the level doesn't reach
 */
export function levelIndex(level, axis, voxel) {
  const size = level.shape[axis];
  const index = Math.floor((voxel - level.offset[axis]) / level.factor[axis] + 0.5);
  return index >= -1 && index <= size ? Math.min(Math.max(index, 0), size - 1) : null;
}

/**
 * The level's pixels whose centres lie in a slab around a voxel, or else the one at the voxel.
 * @param {Level} level
 * @param {string} axis
 * @param {number} voxel
 * @param {number} slab   thickness in voxels
 * @returns {Range | null} start and stop; null where the level doesn't reach
 */
export function slabRange(level, axis, voxel, slab) {
  const offset = level.offset[axis];
  const factor = level.factor[axis];
  const reach = (slab - 1) / 2;
  const start = Math.max(Math.ceil((voxel - reach - offset) / factor), 0);
  const stop = Math.floor((voxel + reach - offset) / factor) + 1;
  const end = Math.min(stop, level.shape[axis]);
  if (slab > 1 && start < end) return [start, end];
  const index = levelIndex(level, axis, voxel);
  return index === null ? null : [index, index + 1];
}

/**
 * The pixels of a level that a range of voxels touches.
 * @param {Level} level
 * @param {string} axis
 * @param {Range} voxels
 * @returns {Range}
 */
function pixelsIn(level, axis, voxels) {
  const [lo, hi] = voxels.map((v) => (v - level.offset[axis]) / level.factor[axis] + 0.5);
  const size = level.shape[axis];
  return [Math.min(Math.max(Math.floor(lo), 0), size), Math.min(Math.max(Math.ceil(hi), 0), size)];
}

/**
 * One channel of one level in one pane, as tiles.
 * @typedef {object} Grid
 * @property {Level} level
 * @property {[string, string]} plane
 * @property {[Range, Range]} pixels   those in view
 * @property {[Range, Range]} block    the tiles in view, first and last + 1
 * @property {(u: number, v: number) => TileAddress} address  of a tile
 */

/**
 * @param {Manifest} manifest
 * @param {number} layerIndex
 * @param {number} levelNumber
 * @param {number} channel
 * @param {Pane} pane
 * @param {SharedState} state
 * @returns {Grid | null} null where nothing of the layer is seen
 */
export function gridOf(manifest, layerIndex, levelNumber, channel, pane, state) {
  const layer = manifest.layers[layerIndex];
  const level = layer.levels[levelNumber];
  const { plane } = pane;
  const fixed = level && fixedBox(layer, level, pane, state);
  if (!fixed) return null;
  const seen = windowOf(pane);
  const [u, v] = plane;
  /** @type {[Range, Range]} */
  const pixels = [pixelsIn(level, u, seen[0]), pixelsIn(level, v, seen[1])];
  if (pixels.some(([start, stop]) => start >= stop)) return null;
  /** @param {string} axis @param {number} k @returns {Range} */
  const range = (axis, k) => [
    k * level.tile[axis],
    Math.min((k + 1) * level.tile[axis], level.shape[axis]),
  ];
  return {
    level,
    plane,
    pixels,
    block: [block(level, u, pixels[0], seen[0]), block(level, v, pixels[1], seen[1])],
    address: (ku, kv) => {
      const box = { ...fixed, [u]: range(u, ku), [v]: range(v, kv) };
      const request = { layer: layerIndex, level: levelNumber, channel, box, order: [v, u] };
      return addressOf(request, layer);
    },
  };
}

/**
 * The ranges of the axes across a pane.
 * @param {Layer} layer
 * @param {Level} level
 * @param {Pane} pane
 * @param {SharedState} state
 * @returns {Record<string, Range> | null} null where the level doesn't reach, or has no such plane
 */
function fixedBox(layer, level, { plane, normal }, state) {
  if (!plane.every((axis) => layer.axes.includes(axis))) return null;
  /** @type {Record<string, Range>} */
  const box = {};
  for (const axis of layer.axes) {
    if (plane.includes(axis)) continue;
    const slab = axis === normal && layer.kind === "intensity" ? state.slab : 1;
    const range = slabRange(level, axis, state.voxel[axis], slab);
    if (!range) return null;
    box[axis] = range;
  }
  return box;
}

/**
 * The tiles of an axis that hold some pixels, or those of them around the centre of what is seen.
 * @param {Level} level
 * @param {string} axis
 * @param {Range} pixels
 * @param {Range} seen   voxels
 * @returns {Range}
 */
function block(level, axis, pixels, seen) {
  const tile = level.tile[axis];
  const first = Math.floor(pixels[0] / tile);
  const stop = Math.ceil(pixels[1] / tile);
  if (stop - first <= MOST) return [first, stop];
  const middle = ((seen[0] + seen[1]) / 2 - level.offset[axis]) / level.factor[axis] / tile;
  const from = Math.min(Math.max(Math.round(middle) - MOST / 2, first), stop - MOST);
  return [from, from + MOST];
}

/**
 * The voxel coordinate of the edge before a level's pixel.
 * @param {Level} level
 * @param {string} axis
 * @param {number} pixel
 * @returns {number}
 */
export function edgeOf(level, axis, pixel) {
  return level.offset[axis] + (pixel - 0.5) * level.factor[axis];
}

/**
 * Tiles of a level that a pane shows, those nearest to its centre first.
 * @param {Manifest} manifest
 * @param {number} layerIndex
 * @param {number} levelNumber
 * @param {number} channel
 * @param {Pane} pane
 * @param {SharedState} state
 * @returns {TileAddress[]}
 */
export function tilesOf(manifest, layerIndex, levelNumber, channel, pane, state) {
  return tilesIn(gridOf(manifest, layerIndex, levelNumber, channel, pane, state), pane, 0);
}

/**
 * @param {Grid | null} grid
 * @param {Pane} pane
 * @param {number} ring   tiles more on each side
 * @returns {TileAddress[]} nearest to the pane's centre first
 */
export function tilesIn(grid, pane, ring) {
  if (!grid) return [];
  const { level, plane, block } = grid;
  const sizes = [pane.rect.w, pane.rect.h];
  /** @param {number} i of the axis in the plane @param {number} k of the tile; device pixels */
  const away = (i, k) => {
    const tile = level.tile[plane[i]];
    const middle = (k * tile + Math.min((k + 1) * tile, level.shape[plane[i]])) / 2;
    return (edgeOf(level, plane[i], middle) - pane.corner[i]) * pane.scale[i] - sizes[i] / 2;
  };
  const [us, vs] = block.map(([first, stop], i) => {
    const count = Math.ceil(level.shape[plane[i]] / level.tile[plane[i]]);
    const from = Math.max(first - ring, 0);
    const to = Math.min(stop + ring, count);
    return Array.from({ length: to - from }, (_, k) => ({ k: from + k, d: away(i, from + k) }));
  });
  return vs
    .flatMap((v) => us.map((u) => ({ u: u.k, v: v.k, d: u.d ** 2 + v.d ** 2 })))
    .sort((a, b) => a.d - b.d)
    .map(({ u, v }) => grid.address(u, v));
}
