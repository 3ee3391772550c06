/**
 * Tiles on the graphics card.
 *
 * @typedef {import("../types.js").DType} DType
 * @typedef {import("../types.js").Tile} Tile
 * @typedef {{texture: WebGLTexture, bytes: number, frame: number}} Entry
 * @typedef {Uint8Array | Uint16Array | Uint32Array} Bits
 */

import { AT_ONCE, UNITS } from "./shaders.js";

/** Bytes that textures take at most, but for those of the picture being drawn. */
const BUDGET = 256 * 2 ** 20;

const words = new Uint32Array(2);
const float = new Float32Array(words.buffer, 0, 1);
const solid = new Int32Array(AT_ONCE);
const constants = new Uint32Array(2 * AT_ONCE);

/**
 * @param {DType} dtype
 * @returns {{kind: "INT" | "WIDE" | "FLOAT", bits: number, signed: boolean}}
 */
export function layoutOf(dtype) {
  if (dtype.startsWith("float")) return { kind: "FLOAT", bits: 32, signed: false };
  const bits = Number(dtype.replace(/\D+/, ""));
  return { kind: bits > 32 ? "WIDE" : "INT", bits, signed: dtype[0] === "i" };
}

/**
 * The bits of a constant tile's value as the shaders read them; valid until the next call.
 * @param {Tile} tile
 * @returns {Uint32Array} low and high word
 */
export function wordsOf({ dtype, constant }) {
  const { kind, bits } = layoutOf(dtype);
  words[1] = 0;
  if (kind === "FLOAT") float[0] = Number(constant);
  else {
    const whole = BigInt.asUintN(bits, BigInt(constant ?? 0));
    words[0] = Number(whole & 0xffffffffn);
    words[1] = Number(whole >> 32n);
  }
  return words;
}

/**
 * Pixels as unsigned integers: the same bytes, but for float64, which becomes float32.
 * @param {Tile} tile
 * @returns {Bits}
 */
function bitsOf(tile) {
  let data = /** @type {import("../types.js").Pixels} */ (tile.data);
  if (data instanceof Float64Array) data = new Float32Array(data);
  const { buffer, byteOffset, byteLength, BYTES_PER_ELEMENT: width } = data;
  if (width === 1) return new Uint8Array(buffer, byteOffset, byteLength);
  if (width === 2) return new Uint16Array(buffer, byteOffset, byteLength / 2);
  return new Uint32Array(buffer, byteOffset, byteLength / 4);
}

/** Textures of tiles, made when first shown and forgotten when long unused. */
export class TileTextures {
  /** @param {WebGL2RenderingContext} gl @param {number} [budget] bytes */
  constructor(gl, budget = BUDGET) {
    this.gl = gl;
    this.budget = budget;
    this.bytes = 0;
    this.frame = 0;
    /** @type {WeakMap<Tile, Entry>} the texture must not keep a tile's pixels in memory */
    this.entries = new WeakMap();
    /** @type {Set<Entry>} longest unused first */
    this.recent = new Set();
    this.longest = [gl.MAX_TEXTURE_SIZE, gl.MAX_3D_TEXTURE_SIZE].map((n) => gl.getParameter(n));
    /** Samplers must have something to sample, also where it is not looked at. */
    this.dummies = [gl.TEXTURE_2D, gl.TEXTURE_3D].map((target) =>
      this.upload(target, [1, 1, 1], new Uint8Array(1), gl.R8UI)
    );
  }

  /** @param {Tile} tile @returns {boolean} whether a texture can be as large as it */
  fits({ shape, data }) {
    return !data || Math.max(...shape) <= this.longest[shape.length - 2];
  }

  /**
   * Make tiles (two or three axes, all alike) the ones that are sampled.
   * @param {Tile[]} tiles
   * @param {number} unit       of the first
   * @param {Record<string, WebGLUniformLocation>} at   uniforms `solid` and `constant`
   */
  bind(tiles, unit, at) {
    const { gl } = this;
    const { length } = tiles[0].shape;
    const target = length > 2 ? gl.TEXTURE_3D : gl.TEXTURE_2D;
    for (const [i, tile] of tiles.entries()) {
      const texture = tile.data ? this.entry(tile, target).texture : this.dummies[length - 2];
      solid[i] = tile.data ? 0 : 1;
      if (!tile.data) constants.set(wordsOf(tile), i * 2);
      gl.activeTexture(gl.TEXTURE0 + unit + i);
      gl.bindTexture(target, texture);
    }
    gl.uniform1iv(at.solid, solid, 0, tiles.length);
    gl.uniform2uiv(at.constant, constants, 0, tiles.length * 2);
  }

  /** @param {Tile} tile @param {number} target @returns {Entry} */
  entry(tile, target) {
    let entry = this.entries.get(tile);
    if (entry && entry.frame >= 0) this.recent.delete(entry);
    else {
      const { gl } = this;
      const pixels = bitsOf(tile);
      const wide = layoutOf(tile.dtype).kind === "WIDE";
      const format = [0, gl.R8UI, gl.R16UI, 0, wide ? gl.RG32UI : gl.R32UI];
      const size = [1, ...tile.shape].slice(-3);
      const texture = this.upload(target, size, pixels, format[pixels.BYTES_PER_ELEMENT]);
      entry = { texture, bytes: pixels.byteLength, frame: 0 };
      this.bytes += entry.bytes;
      this.entries.set(tile, entry);
    }
    entry.frame = this.frame;
    this.recent.add(entry);
    return entry;
  }

  /**
   * @param {number} target
   * @param {number[]} size     depth, height, width
   * @param {Bits} pixels
   * @param {number} internal   R8UI, R16UI, R32UI, RG32UI, RGBA32UI
   * @returns {WebGLTexture}
   */
  upload(target, [depth, height, width], pixels, internal) {
    const { gl } = this;
    const types = [0, gl.UNSIGNED_BYTE, gl.UNSIGNED_SHORT, 0, gl.UNSIGNED_INT];
    const type = types[pixels.BYTES_PER_ELEMENT];
    const several = internal === gl.RG32UI ? gl.RG_INTEGER : gl.RGBA_INTEGER;
    const single = internal !== gl.RG32UI && internal !== gl.RGBA32UI;
    const format = single ? gl.RED_INTEGER : several;
    const texture = /** @type {WebGLTexture} */ (gl.createTexture());
    gl.activeTexture(gl.TEXTURE0 + UNITS.brick);
    gl.bindTexture(target, texture);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    if (target === gl.TEXTURE_3D) {
      gl.texImage3D(target, 0, internal, width, height, depth, 0, format, type, pixels);
    } else gl.texImage2D(target, 0, internal, width, height, 0, format, type, pixels);
    plain(gl, target);
    return texture;
  }

  /** Begin a picture: what the last one didn't show may go. */
  next() {
    for (const entry of this.recent) {
      if (this.bytes <= this.budget || entry.frame === this.frame) break;
      this.gl.deleteTexture(entry.texture);
      this.bytes -= entry.bytes;
      this.recent.delete(entry);
      entry.frame = -1;
    }
    this.frame++;
  }
}

/**
 * No interpolation, no coarser copies.
 * @param {WebGL2RenderingContext} gl
 * @param {number} target
 */
export function plain(gl, target) {
  gl.texParameteri(target, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
  gl.texParameteri(target, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  gl.texParameteri(target, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(target, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
}
