/**
 * What a pane shows with the tiles that are there.
 *
 * @typedef {import("./types.js").Cover} Cover
 * @typedef {import("./types.js").Manifest} Manifest
 * @typedef {import("./types.js").Pane} Pane
 * @typedef {import("./types.js").Quad} Quad
 * @typedef {import("./types.js").SharedState} SharedState
 * @typedef {import("./types.js").Tile} Tile
 * @typedef {import("./levels.js").Grid} Grid
 * @typedef {import("./levels.js").Range} Range
 * @typedef {{get: (key: string) => Tile | undefined,
 *   failure: (key: string) => string | null}} Tiles
 */

import { chooseLevel, edgeOf, gridOf } from "./levels.js";

/** Edges nearer to each other than this part of a level's pixel are one. */
const CLOSE = 1e-6;

/**
 * Part of a region: the voxels along one axis, and the tile there (-1: none).
 * @typedef {{range: Range, k: number}} Piece
 */

/**
 * Cut a range of voxels at the edges of a grid's tiles.
 * @param {Grid} grid
 * @param {0 | 1} i   along which axis of the plane
 * @param {Range} range
 * @returns {Piece[]} in order, sharing their edges
 */
function pieces({ level, plane, block }, i, [lo, hi]) {
  const axis = plane[i];
  const size = level.shape[axis];
  const tile = level.tile[axis];
  const factor = level.factor[axis];
  const near = CLOSE * factor;
  const cuts = [lo];
  for (let k = block[i][0]; k <= block[i][1]; k++) {
    const edge = edgeOf(level, axis, Math.min(k * tile, size));
    if (edge > cuts[cuts.length - 1] + near && edge < hi - near) cuts.push(edge);
  }
  cuts.push(hi);
  return cuts.slice(1).map((stop, n) => {
    const pixel = ((cuts[n] + stop) / 2 - level.offset[axis]) / factor + 0.5;
    const k = Math.floor(pixel / tile);
    const inside = pixel < size && k >= block[i][0] && k < block[i][1];
    return { range: [cuts[n], stop], k: inside ? k : -1 };
  });
}

/**
 * Where a range of voxels lies in a tile, in its texels.
 * @param {Grid} grid
 * @param {0 | 1} i
 * @param {Piece} piece
 * @returns {Range}
 */
function texelsOf({ level, plane }, i, { range, k }) {
  const axis = plane[i];
  const first = k * level.tile[axis];
  const count = Math.min(level.tile[axis], level.shape[axis] - first);
  const [lo, hi] = range.map((voxel) => {
    const texel = (voxel - level.offset[axis]) / level.factor[axis] + 0.5 - first;
    const whole = Math.round(texel);
    return Math.min(Math.max(Math.abs(texel - whole) < CLOSE ? whole : texel, 0), count);
  });
  return [lo, hi];
}

/**
 * @param {Pane} pane
 * @param {Range} us
 * @param {Range} vs
 * @returns {Quad["screen"]}
 */
function screenOf({ corner, scale }, us, vs) {
  return [
    (us[0] - corner[0]) * scale[0],
    (vs[0] - corner[1]) * scale[1],
    (us[1] - corner[0]) * scale[0],
    (vs[1] - corner[1]) * scale[1],
  ];
}

/**
 * What a channel shows in a pane: the level that suits it where its tiles are there, the next
 * coarser that is there elsewhere, or the next finer where no coarser is.
 * @param {Manifest} manifest
 * @param {number} layerIndex
 * @param {number} channel
 * @param {Pane} pane
 * @param {SharedState} state
 * @param {Tiles} tiles
 * @returns {Cover}
 */
export function cover(manifest, layerIndex, channel, pane, state, tiles) {
  /** @type {Cover} */
  const out = { layer: layerIndex, channel, quads: [], holes: [], failed: [] };
  const layer = manifest.layers[layerIndex];
  const chosen = chooseLevel(layer, pane, state.held_mag);
  const order = layer.levels.map((_, index) => index).filter((index) => index >= chosen);
  if (chosen > 0) order.push(chosen - 1);
  /** @type {(Grid | null)[]} */
  const grids = [];

  /** @param {Range} us @param {Range} vs @param {number} step of `order` */
  const fill = (us, vs, step) => {
    if (step === order.length) {
      out.holes.push(screenOf(pane, us, vs));
      return;
    }
    if (grids[step] === undefined) {
      grids[step] = gridOf(manifest, layerIndex, order[step], channel, pane, state);
    }
    const grid = grids[step];
    if (!grid) return fill(us, vs, step + 1);
    const columns = pieces(grid, 0, us);
    for (const row of pieces(grid, 1, vs)) {
      for (const column of columns) place(grid, row, column, step);
    }
  };

  /** @param {Grid} grid @param {Piece} row @param {Piece} column @param {number} step */
  const place = (grid, row, column, step) => {
    const key = row.k < 0 || column.k < 0 ? null : grid.address(column.k, row.k).key;
    const tile = key === null ? undefined : tiles.get(key);
    if (key === null || !tile) {
      const cause = key === null || step > 0 ? null : tiles.failure(key);
      const screen = screenOf(pane, column.range, row.range);
      if (key !== null && cause) out.failed.push({ screen, cause, key });
      return fill(column.range, row.range, step + 1);
    }
    const [left, right] = texelsOf(grid, 0, column);
    const [top, bottom] = texelsOf(grid, 1, row);
    const screen = screenOf(pane, column.range, row.range);
    out.quads.push({ tile, screen, texels: [left, top, right, bottom] });
  };

  const grid = gridOf(manifest, layerIndex, chosen, channel, pane, state);
  if (!grid) return out;
  grids.push(grid);
  const [us, vs] = grid.pixels.map(([start, stop], i) => /** @type {Range} */ ([
    edgeOf(grid.level, grid.plane[i], start),
    edgeOf(grid.level, grid.plane[i], stop),
  ]));
  fill(us, vs, 0);
  return out;
}

/**
 * The pixel of a tile that is shown at a place of the canvas.
 * @param {Cover} cover
 * @param {Pane} pane
 * @param {number} x   device pixels of the canvas
 * @param {number} y
 * @returns {{tile: Tile, row: number, column: number} | null} null where nothing is shown
 */
export function sampleAt({ quads }, pane, x, y) {
  const px = x - pane.rect.x;
  const py = y - pane.rect.y;
  for (const { tile, screen, texels } of quads) {
    const [left, top, right, bottom] = screen;
    if (px < left || px >= right || py < top || py >= bottom) continue;
    const column = texels[0] + ((px - left) / (right - left)) * (texels[2] - texels[0]);
    const row = texels[1] + ((py - top) / (bottom - top)) * (texels[3] - texels[1]);
    // an edge between pixels belongs to the later one, also when rounding falls just short of it
    return {
      tile,
      row: Math.min(Math.floor(row + 1e-9), tile.shape[0] - 1),
      column: Math.min(Math.floor(column + 1e-9), tile.shape[1] - 1),
    };
  }
  return null;
}
