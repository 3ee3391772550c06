/**
 * Where everything is: panes on the canvas, voxels in panes, tiles that a view needs.
 *
 * @typedef {import("./types.js").Manifest} Manifest
 * @typedef {import("./types.js").Pane} Pane
 * @typedef {import("./types.js").SharedState} SharedState
 * @typedef {import("./types.js").TileAddress} TileAddress
 * @typedef {{x: number, y: number, w: number, h: number}} Rect
 * @typedef {SharedState & {maximised?: number}} ViewState
 */

import { addressOf, chooseLevel, gridOf, levelIndex, tilesIn, tilesOf } from "./levels.js";

export { cover, sampleAt } from "./cover.js";
export { chooseLevel, edgeOf, keyOf, levelIndex, slabRange, tilesOf, windowOf } from "./levels.js";
export { decode, itemSize, parseConstant, toBytes, unpack, valueAt } from "./pixels.js";
export {
  coordinate,
  coordinateText,
  formatNumber,
  lengthText,
  niceLength,
  positionText,
  quantity,
} from "./text.js";

/** The kernel refuses larger tiles. */
const LARGEST = 2 ** 26;

/** @param {Manifest} manifest @param {ViewState} state @returns {SharedState["layout"]} */
function layoutOf(manifest, state) {
  return manifest.planes.length < 3 ? "plane" : state.layout;
}

/**
 * The four rectangles of layout "ortho": those of `manifest.planes`, then the volume's.
 * @param {number} width
 * @param {number} height
 * @param {number} dpr
 * @returns {Rect[]}
 */
function quarters(width, height, dpr) {
  const gap = Math.max(1, Math.floor(2 * dpr + 0.5));
  const w = Math.max(Math.floor((width - gap) / 2), 0);
  const h = Math.max(Math.floor((height - gap) / 2), 0);
  const right = { x: w + gap, w: Math.max(width - w - gap, 0) };
  const below = { y: h + gap, h: Math.max(height - h - gap, 0) };
  return [
    { x: 0, y: 0, w, h },
    { x: 0, w, ...below },
    { ...right, y: 0, h },
    { ...right, ...below },
  ];
}

/**
 * @param {Manifest} manifest
 * @param {ViewState} state
 * @param {number} width   of the canvas, device pixels
 * @param {number} height
 * @param {number} dpr
 * @returns {Pane[]} those that show planes
 */
export function panesOf(manifest, state, width, height, dpr) {
  const layout = layoutOf(manifest, state);
  const whole = { x: 0, y: 0, w: width, h: height };
  if (layout === "volume") return [];
  if (layout === "plane") {
    const which = manifest.planes.findIndex((plane) => plane.join() === state.plane.join());
    return [paneOf(manifest, state, Math.max(which, 0), whole, dpr)];
  }
  const only = state.maximised ?? -1;
  const rects = only < 0 ? quarters(width, height, dpr) : Array(4).fill(whole);
  return [0, 1, 2]
    .filter((index) => (only < 0 || index === only) && rects[index].w > 0 && rects[index].h > 0)
    .map((index) => paneOf(manifest, state, index, rects[index], dpr));
}

/**
 * @param {Manifest} manifest
 * @param {ViewState} state
 * @param {number} index   of the plane
 * @param {Rect} rect
 * @param {number} dpr
 * @returns {Pane}
 */
function paneOf(manifest, state, index, rect, dpr) {
  const plane = manifest.planes[index];
  const [u, v] = plane;
  const shown = new Set(manifest.planes.flat());
  const reference = displayOf(manifest, manifest.reference);
  const su = (dpr * state.zoom * displayOf(manifest, u)) / reference;
  const sv = (dpr * state.zoom * displayOf(manifest, v)) / reference;
  return {
    index,
    plane,
    normal: manifest.spatial.find((axis) => shown.has(axis) && !plane.includes(axis)) ?? null,
    rect,
    scale: [su, sv],
    corner: [state.center[u] - rect.w / (2 * su), state.center[v] - rect.h / (2 * sv)],
  };
}

/**
 * Where the volume is drawn.
 * @param {Manifest} manifest
 * @param {ViewState} state
 * @param {number} width
 * @param {number} height
 * @param {number} dpr
 * @returns {Rect | null}
 */
export function volumeRect(manifest, state, width, height, dpr) {
  const layout = layoutOf(manifest, state);
  const only = state.maximised ?? -1;
  if (layout === "plane" || (layout === "ortho" && only >= 0 && only < 3)) return null;
  if (layout === "volume" || only === 3) return { x: 0, y: 0, w: width, h: height };
  const rect = quarters(width, height, dpr)[3];
  return rect.w > 0 && rect.h > 0 ? rect : null;
}

/** @param {Manifest} manifest @param {string} name @returns {import("./types.js").Axis} */
export function axisOf(manifest, name) {
  const axis = manifest.axes.find((one) => one.name === name);
  if (!axis) throw new Error(`there is no axis ${name}; take one of the scene's own`);
  return axis;
}

/** @param {Manifest} manifest @param {string} name @returns {number} */
function displayOf(manifest, name) {
  return axisOf(manifest, name).display;
}

/**
 * Voxel coordinates of a place on the canvas, along the pane's horizontal and vertical axis.
 * @param {Pane} pane
 * @param {number} x   device pixels
 * @param {number} y
 * @returns {[number, number]}
 */
export function toVoxel({ rect, scale, corner }, x, y) {
  return [corner[0] + (x - rect.x) / scale[0], corner[1] + (y - rect.y) / scale[1]];
}

/**
 * Where voxel coordinates are on the canvas.
 * @param {Pane} pane
 * @param {number} u
 * @param {number} v
 * @returns {[number, number]} device pixels
 */
export function toScreen({ rect, scale, corner }, u, v) {
  return [rect.x + (u - corner[0]) * scale[0], rect.y + (v - corner[1]) * scale[1]];
}

/**
 * Zoom by a factor; what is under the cursor stays there.
 * @param {SharedState} state
 * @param {Manifest} _manifest
 * @param {Pane} pane
 * @param {number} x   device pixels of the canvas
 * @param {number} y
 * @param {number} factor
 * @returns {{zoom: number, center: Record<string, number>}}
 */
export function zoomAt(state, _manifest, pane, x, y, factor) {
  const center = { ...state.center };
  toVoxel(pane, x, y).forEach((voxel, i) => {
    const axis = pane.plane[i];
    center[axis] = voxel + (center[axis] - voxel) / factor;
  });
  return { zoom: state.zoom * factor, center };
}

/**
 * The zoom at which the whole image fits into each of the panes.
 * @param {Manifest} manifest
 * @param {{plane: [string, string], rect: {w: number, h: number}}[]} panes
 * @param {number} dpr
 * @returns {number}
 */
export function fitZoom(manifest, panes, dpr) {
  const reference = displayOf(manifest, manifest.reference);
  const zooms = panes.flatMap(({ plane, rect }) =>
    plane.map((name, i) => {
      const { size, display } = axisOf(manifest, name);
      return ((i ? rect.h : rect.w) * reference) / (dpr * size * display);
    }),
  );
  return zooms.length ? Math.min(...zooms) : 1;
}

/**
 * The middle of the image.
 * @param {Manifest} manifest
 * @returns {Record<string, number>}
 */
export function middleOf(manifest) {
  return Object.fromEntries(
    manifest.spatial.map((name) => [name, (axisOf(manifest, name).size - 1) / 2]),
  );
}

/**
 * Channels and label layers that are switched on; `index` is their place in `state.channels` or
 * `state.labels`.
 * @param {Manifest} manifest
 * @param {SharedState} state
 * @returns {{layer: number, channel: number, index: number}[]}
 */
export function shownChannels(manifest, state) {
  const counts = { intensity: 0, label: 0 };
  const states = { intensity: state.channels, label: state.labels };
  return manifest.layers.flatMap(({ kind, channels }, layer) =>
    channels
      .map((_, channel) => ({ layer, channel, index: counts[kind]++ }))
      .filter(({ index }) => states[kind][index]?.visible),
  );
}

/** @param {TileAddress[]} tiles @returns {TileAddress[]} each once, where it comes first */
function unique(tiles) {
  return [...new Map(tiles.map((tile) => [tile.key, tile])).values()];
}

/**
 * @param {TileAddress[][]} lists
 * @returns {TileAddress[]} the first of each, then the second of each, and so on
 */
function interleave(lists) {
  const most = Math.max(0, ...lists.map((list) => list.length));
  return Array.from({ length: most }, (_, n) => n).flatMap((n) =>
    lists.flatMap((list) => list.slice(n, n + 1)),
  );
}

/**
 * What a view needs, most urgent first. Coarser tiles come before the finer, so that nothing stays
 * empty; where all of the level that is shown is there already, they are only kept in reserve.
 * @param {Manifest} manifest
 * @param {ViewState} state
 * @param {Pane[]} panes
 * @param {(key: string) => boolean} [has]   whether a tile is there
 * @returns {{visible: TileAddress[], prefetch: TileAddress[]}}
 */
export function wantedTiles(manifest, state, panes, has = () => false) {
  /** @returns {TileAddress[][]} one list for each channel of each pane */
  const none = () => [];
  const lists = {
    coarse: none(),
    chosen: none(),
    next: none(),
    reserve: none(),
    beside: none(),
    around: none(),
  };
  const channels = shownChannels(manifest, state);
  for (const pane of panes) {
    for (const { layer, channel } of channels) {
      const { levels } = manifest.layers[layer];
      const level = chooseLevel(manifest.layers[layer], pane, state.held_mag);
      const grid = gridOf(manifest, layer, level, channel, pane, state);
      const tiles = tilesIn(grid, pane, 0);
      lists.chosen.push(tiles);
      const there = tiles.every(({ key }) => has(key));
      for (const coarser of new Set([levels.length - 1, level + 1])) {
        if (coarser <= level || coarser >= levels.length) continue;
        const last = coarser === levels.length - 1;
        const into = there ? lists.reserve : last ? lists.coarse : lists.next;
        into.push(tilesOf(manifest, layer, coarser, channel, pane, state));
      }
      lists.around.push(tilesIn(grid, pane, 1));
      for (const voxel of neighbours(manifest, state, pane, levels[level])) {
        lists.beside.push(tilesOf(manifest, layer, level, channel, pane, { ...state, voxel }));
      }
    }
  }
  const visible = unique([lists.coarse, lists.chosen, lists.next].flatMap(interleave));
  const seen = new Set(visible.map((tile) => tile.key));
  const prefetch = unique([lists.reserve, lists.beside, lists.around].flatMap(interleave));
  return { visible, prefetch: prefetch.filter((tile) => !seen.has(tile.key)) };
}

/**
 * The crosshair one pixel of a level before and behind a pane: less than that shows the same.
 * @param {Manifest} manifest
 * @param {SharedState} state
 * @param {Pane} pane
 * @param {import("./types.js").Level} level
 * @returns {Record<string, number>[]}
 */
function neighbours(manifest, state, { normal }, level) {
  const factor = normal === null ? undefined : level.factor[normal];
  if (normal === null || factor === undefined) return [];
  const last = axisOf(manifest, normal).size - 1;
  const step = Math.max(factor, 1);
  const here = state.voxel[normal];
  return [here + step, here - step].map((voxel) => ({
    ...state.voxel,
    [normal]: Math.min(Math.max(voxel, 0), last),
  }));
}

/**
 * Tiles of the planes that playback of an axis shows next, in its order; after the last plane
 * comes the first.
 * @param {Manifest} manifest
 * @param {ViewState} state
 * @param {Pane[]} panes
 * @param {string} axis
 * @param {number} direction   1 or -1
 * @param {number} count   planes of the level that is shown
 * @returns {TileAddress[]}
 */
export function prefetchAlong(manifest, state, panes, axis, direction, count) {
  const last = axisOf(manifest, axis).size - 1;
  /** @type {TileAddress[][]} */
  const planes = Array.from({ length: count }, () => []);
  for (const pane of panes.filter(({ plane }) => !plane.includes(axis))) {
    for (const { layer, channel } of shownChannels(manifest, state)) {
      const number = chooseLevel(manifest.layers[layer], pane, state.held_mag);
      const factor = manifest.layers[layer].levels[number].factor[axis];
      if (factor === undefined) continue;
      let voxel = state.voxel[axis];
      for (const plane of planes) {
        voxel += direction * Math.max(factor, 1);
        if (voxel > last) voxel = 0;
        if (voxel < 0) voxel = last;
        const then = { ...state, voxel: { ...state.voxel, [axis]: voxel } };
        plane.push(...tilesOf(manifest, layer, number, channel, pane, then));
      }
    }
  }
  return unique(planes.flat());
}

/**
 * Whole levels for the volume: of each visible intensity channel the finest that has at most that
 * many voxels, or the coarsest if it is of a size the kernel sends.
 * @param {Manifest} manifest
 * @param {SharedState} state
 * @param {number} [maxVoxels]
 * @returns {{layer: number, channel: number, address: TileAddress}[]}
 */
export function volumeLevels(manifest, state, maxVoxels = 2 ** 21) {
  const order = manifest.spatial.slice(-3);
  if (order.length < 3) return [];
  return shownChannels(manifest, state).flatMap(({ layer: index, channel }) => {
    const layer = manifest.layers[index];
    if (layer.kind === "label" || !order.every((axis) => layer.axes.includes(axis))) return [];
    const sizes = layer.levels.map(({ shape }) => order.reduce((n, axis) => n * shape[axis], 1));
    const fits = sizes.findIndex((size) => size <= maxVoxels);
    const number = fits < 0 ? sizes.length - 1 : fits;
    const level = layer.levels[number];
    /** @type {Record<string, [number, number]>} */
    const box = {};
    for (const axis of layer.axes) {
      const at = order.includes(axis) ? 0 : levelIndex(level, axis, state.voxel[axis]);
      if (at === null) return [];
      box[axis] = [at, order.includes(axis) ? level.shape[axis] : at + 1];
    }
    const address = addressOf({ layer: index, level: number, channel, box, order }, layer);
    return address.bytes <= LARGEST ? [{ layer: index, channel, address }] : [];
  });
}
