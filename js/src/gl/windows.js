/**
 * How values become shades: what `ngffkit.plots.compose` does, as the shaders need it.
 *
 * @typedef {import("../types.js").ChannelState} ChannelState
 * @typedef {import("../types.js").DType} DType
 */

import { AT_ONCE } from "./shaders.js";
import { layoutOf } from "./textures.js";

const LARGEST = 3.4e38;

const bases = new Uint32Array(2 * AT_ONCE);
const ranges = new Float32Array(4 * AT_ONCE);
const colors = new Float32Array(3 * AT_ONCE);

/** @param {number} value @returns {number} nearest finite float32; NaN: 0 */
const finite = (value) => Math.max(-LARGEST, Math.min(LARGEST, value || 0));

/**
 * Split a window's low end into the part that is subtracted from pixels as they are, and the rest.
 * @param {DType} dtype
 * @param {number} low
 * @returns {{base: [number, number], rest: [number, number]}} low and high word; to be subtracted
 */
export function splitLow(dtype, low) {
  const { kind, bits, signed } = layoutOf(dtype);
  if (kind === "FLOAT") {
    const first = Math.fround(low);
    return { base: [0, 0], rest: [first, low - first] };
  }
  const shift = signed ? 1n << BigInt(bits - 1) : 0n;
  const last = (1n << BigInt(bits)) - 1n;
  const wanted = BigInt(Math.floor(low)) + shift;
  const base = wanted < 0n ? 0n : wanted > last ? last : wanted;
  return {
    base: [Number(base & 0xffffffffn), Number(base >> 32n)],
    rest: [low - Number(base - shift), 0],
  };
}

/**
 * @param {string} color   "#rrggbb"
 * @returns {[number, number, number]} 0 to 1
 */
export function parseColor(color) {
  const bits = parseInt(color.slice(1, 7), 16);
  return [(bits >> 16) / 255, ((bits >> 8) & 255) / 255, (bits & 255) / 255];
}

/**
 * The bit that tells negative numbers, in the highest word there is.
 * @param {DType} dtype
 * @returns {number}
 */
export function signOf(dtype) {
  const { bits, signed } = layoutOf(dtype);
  return signed ? 2 ** ((bits - 1) % 32) : 0;
}

/**
 * Set the uniforms of channels for pixels of a type.
 * @param {WebGL2RenderingContext} gl
 * @param {Record<string, WebGLUniformLocation>} at
 * @param {DType} dtype
 * @param {ChannelState[]} channels
 */
export function setWindows(gl, at, dtype, channels) {
  for (const [i, { window, color, gamma }] of channels.entries()) {
    const low = finite(window[0]);
    const high = finite(window[1]);
    const { base, rest } = splitLow(dtype, low);
    bases.set(base, i * 2);
    // no width: a threshold
    ranges.set([...rest, low === high ? 0 : finite(1 / (high - low)), gamma], i * 4);
    colors.set(parseColor(color), i * 3);
  }
  gl.uniform1ui(at.sign, signOf(dtype));
  gl.uniform2uiv(at.base, bases, 0, channels.length * 2);
  gl.uniform4fv(at.range, ranges, 0, channels.length * 4);
  gl.uniform3fv(at.color, colors, 0, channels.length * 3);
}
