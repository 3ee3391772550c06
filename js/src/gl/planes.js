/**
 * Planes: the tiles of a cover, texel by texel.
 *
 * @typedef {import("../types.js").ChannelState} ChannelState
 * @typedef {import("../types.js").Cover} Cover
 * @typedef {import("../types.js").DType} DType
 * @typedef {import("../types.js").Pane} Pane
 * @typedef {import("../types.js").Quad} Quad
 * @typedef {import("./stage.js").Stage} Stage
 * @typedef {import("./stage.js").Uniforms} Uniforms
 * @typedef {{cover: Cover, state: ChannelState}} Shown
 */

import { AT_ONCE, UNITS } from "./shaders.js";
import { layoutOf } from "./textures.js";
import { setWindows } from "./windows.js";

/**
 * Bits that a stride's first part has: times a pixel's number, it still is a whole float32.
 */
const PART_BITS = 11;

/**
 * @param {number} stride   texels per device pixel
 * @returns {number} its first bits
 */
function firstPart(stride) {
  const unit = 2 ** (Math.floor(Math.log2(stride)) + 1 - PART_BITS);
  return Math.round(stride / unit) * unit;
}

const first = [0, 0];
const start = [0, 0];
const strides = [0, 0, 0, 0];

/**
 * Say which texels of a quad lie under the pixels of the stage's box.
 * @param {Stage} stage
 * @param {Quad} quad
 * @param {Pane["rect"]} rect
 */
function setTexels({ gl, at, box }, { tile, screen, texels }, rect) {
  for (const i of [0, 1]) {
    const stride = (texels[i + 2] - texels[i]) / (screen[i + 2] - screen[i]);
    const origin = i ? rect.y : rect.x;
    const texel = texels[i] + (box[i] - origin + 0.5 - screen[i]) * stride;
    first[i] = Math.floor(texel);
    start[i] = texel - first[i];
    strides[i] = firstPart(stride);
    strides[i + 2] = stride - strides[i];
  }
  gl.uniform2i(at.shape, tile.shape[1], tile.shape[0]);
  gl.uniform2i(at.first, first[0], first[1]);
  gl.uniform2f(at.start, start[0], start[1]);
  gl.uniform4fv(at.stride, strides);
}

/**
 * Draw the quads of covers that have them in the same places.
 * @param {Stage} stage
 * @param {Cover[]} covers
 * @param {Pane} pane
 * @param {(dtype: DType) => Uniforms} begin   chooses the program for pixels of a type
 */
export function drawQuads(stage, covers, { rect }, begin) {
  /** @type {DType | null} */
  let dtype = null;
  let at = stage.at;
  for (const [k, quad] of covers[0].quads.entries()) {
    const tiles = covers.map(({ quads }) => quads[k].tile);
    if (!tiles.every((tile) => stage.textures.fits(tile))) continue;
    if (!stage.place(quad.screen, rect)) continue;
    if (quad.tile.dtype !== dtype) {
      dtype = quad.tile.dtype;
      at = begin(dtype);
    }
    stage.textures.bind(tiles, UNITS.tile, at);
    setTexels(stage, quad, rect);
    stage.fill();
  }
}

/** @param {Cover} a @param {Cover} b @returns {boolean} whether they can be drawn at once */
function alike(a, b) {
  return (
    a.quads.length === b.quads.length &&
    a.quads.every(({ tile, screen, texels }, k) => {
      const other = b.quads[k];
      const same = (/** @type {number} */ edge, /** @type {number} */ i) =>
        edge === other.screen[i] && texels[i] === other.texels[i];
      return tile.dtype === other.tile.dtype && screen.every(same);
    })
  );
}

/**
 * Bring together the channels that can be drawn at once: mostly all of them.
 * @param {Shown[]} shown
 * @returns {Shown[][]} without those that show nothing
 */
export function groupsOf(shown) {
  /** @type {Shown[][]} */
  const groups = [];
  for (const part of shown) {
    if (!part.cover.quads.length) continue;
    const group = groups.find((g) => g.length < AT_ONCE && alike(g[0].cover, part.cover));
    if (group) group.push(part);
    else groups.push([part]);
  }
  return groups;
}

/**
 * Draw the sum of channels.
 * @param {Stage} stage
 * @param {Shown[]} group   of `groupsOf`
 * @param {Pane} pane
 */
export function drawChannels(stage, group, pane) {
  const states = group.map(({ state }) => state);
  const covers = group.map(({ cover }) => cover);
  const gamma = states.some((state) => state.gamma !== 1);
  drawQuads(stage, covers, pane, (dtype) => {
    const at = stage.use("add", layoutOf(dtype).kind, group.length, gamma);
    setWindows(stage.gl, at, dtype, states);
    return at;
  });
}
