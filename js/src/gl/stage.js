/**
 * What the parts of the renderer share: programs, what is drawn to, rectangles of whole pixels.
 *
 * @typedef {import("../types.js").Quad["screen"]} Edges
 * @typedef {import("../types.js").Pane["rect"]} Rect
 * @typedef {Record<string, WebGLUniformLocation>} Uniforms
 * @typedef {{texture: WebGLTexture, framebuffer: WebGLFramebuffer, width: number,
 *   height: number}} Target
 */

import { RECTANGLE, SHADERS, UNITS } from "./shaders.js";
import { TileTextures, plain } from "./textures.js";

const HEAD = `#version 300 es
precision highp float;precision highp int;precision highp sampler2D;precision highp usampler2D;
#define INT 0
#define WIDE 1
#define FLOAT 2
`;

export class Stage {
  /** @param {WebGL2RenderingContext} gl */
  constructor(gl) {
    this.gl = gl;
    /** @type {Map<string, {program: WebGLProgram, at: Uniforms}>} */
    this.programs = new Map();
    /** @type {Map<string, Target>} */
    this.targets = new Map();
    this.textures = new TileTextures(gl);
    this.halves =
      gl.getExtension("EXT_color_buffer_float") ?? gl.getExtension("EXT_color_buffer_half_float");
    this.size = new Int32Array(3);
    /** The rectangle that `fill` draws: left, top, right, bottom. */
    this.box = new Int32Array(4);
    this.at = /** @type {Uniforms} */ ({});
    gl.disable(gl.DITHER);
  }

  /**
   * Choose what is drawn with; compiled when first used.
   * @param {string} name      of `SHADERS`
   * @param {string} [kind]    of pixels
   * @param {number} [count]   tiles at once
   * @param {boolean} [gamma]  whether a channel has any
   * @returns {Uniforms}
   */
  use(name, kind = "INT", count = 1, gamma = false) {
    const key = `${name} ${kind} ${count} ${gamma}`;
    let made = this.programs.get(key);
    if (!made) {
      const defines = `#define KIND ${kind}\n#define N ${count}\n#define GAMMA ${Number(gamma)}\n`;
      this.programs.set(key, (made = link(this.gl, name, defines)));
    }
    this.gl.useProgram(made.program);
    this.at = made.at;
    this.gl.uniform3iv(made.at.size, this.size);
    return made.at;
  }

  /**
   * Choose what is drawn to.
   * @param {Target | null} target   null: the canvas
   */
  onto(target) {
    const { gl } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, target && target.framebuffer);
    const { width, height } = target ?? gl.canvas;
    gl.viewport(0, 0, width, height);
    this.size.set([width, height, target ? 0 : 1]);
  }

  /**
   * A texture to draw to, kept by its name until its size changes.
   * @param {"sum" | "ids" | "volume"} name
   * @param {number} width
   * @param {number} height
   * @returns {Target}
   */
  target(name, width, height) {
    const { gl } = this;
    const known = this.targets.get(name);
    if (known && known.width === width && known.height === height) return known;
    if (known) {
      gl.deleteTexture(known.texture);
      gl.deleteFramebuffer(known.framebuffer);
    }
    const format = name === "ids" ? gl.RG32UI : this.halves ? gl.RGBA16F : gl.RGBA8;
    const texture = /** @type {WebGLTexture} */ (gl.createTexture());
    this.sample(name === "ids" ? UNITS.ids : UNITS.sum, texture);
    gl.texStorage2D(gl.TEXTURE_2D, 1, format, width, height);
    plain(gl, gl.TEXTURE_2D);
    const framebuffer = /** @type {WebGLFramebuffer} */ (gl.createFramebuffer());
    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
    const { FRAMEBUFFER, COLOR_ATTACHMENT0, TEXTURE_2D } = gl;
    gl.framebufferTexture2D(FRAMEBUFFER, COLOR_ATTACHMENT0, TEXTURE_2D, texture, 0);
    const made = { texture, framebuffer, width, height };
    this.targets.set(name, made);
    return made;
  }

  /** @param {number} unit @param {WebGLTexture} texture  of two axes */
  sample(unit, texture) {
    this.gl.activeTexture(this.gl.TEXTURE0 + unit);
    this.gl.bindTexture(this.gl.TEXTURE_2D, texture);
  }

  /** @param {"none" | "add" | "over"} how   colours are put onto what is there */
  blend(how) {
    const { gl } = this;
    if (how === "none") return gl.disable(gl.BLEND);
    gl.enable(gl.BLEND);
    if (how === "add") gl.blendFunc(gl.ONE, gl.ONE);
    else gl.blendFuncSeparate(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA, gl.ZERO, gl.ONE);
  }

  /**
   * Make `box` the pixels whose centres lie within edges, cut at the pane. Rectangles that share
   * edges share no pixel, and leave none out.
   * @param {Edges} screen   in the pane
   * @param {Rect} rect      the pane
   * @returns {boolean} whether there are any
   */
  place(screen, { x, y, w, h }) {
    const { box } = this;
    box[0] = x + Math.min(Math.max(Math.ceil(screen[0] - 0.5), 0), w);
    box[1] = y + Math.min(Math.max(Math.ceil(screen[1] - 0.5), 0), h);
    box[2] = x + Math.min(Math.max(Math.ceil(screen[2] - 0.5), 0), w);
    box[3] = y + Math.min(Math.max(Math.ceil(screen[3] - 0.5), 0), h);
    return box[0] < box[2] && box[1] < box[3];
  }

  /** Draw `box` with the program in use. */
  fill() {
    this.gl.uniform4iv(this.at.rect, this.box);
    this.gl.drawArrays(this.gl.TRIANGLE_STRIP, 0, 4);
  }

  /**
   * Draw to a part of the canvas only.
   * @param {Rect} rect
   * @param {() => void} drawing
   */
  within({ x, y, w, h }, drawing) {
    const { gl } = this;
    gl.enable(gl.SCISSOR_TEST);
    gl.scissor(x, this.size[1] - y - h, w, h);
    drawing();
    gl.disable(gl.SCISSOR_TEST);
  }

  /** @param {Rect} rect   of the canvas @param {number[]} color */
  clear(rect, color) {
    this.within(rect, () => this.gl.clearBufferfv(this.gl.COLOR, 0, [...color, 1]));
  }

  /**
   * Fill a rectangle with a colour.
   * @param {Rect} rect
   * @param {number[]} color     red, green, blue, from 0 to 1
   * @param {number} [opacity]
   * @param {number} [pattern]   0: plain, 1: faint squares, 2: hatched
   * @param {Edges} [screen]     part of the rectangle
   */
  paint(rect, [r, g, b], opacity = 1, pattern = 0, screen = [0, 0, rect.w, rect.h]) {
    if (!this.place(screen, rect)) return;
    const at = this.use("paint");
    this.gl.uniform4f(at.paint, r, g, b, opacity);
    this.gl.uniform1i(at.pattern, pattern);
    this.fill();
  }
}

/**
 * @param {WebGL2RenderingContext} gl
 * @param {string} name
 * @param {string} defines
 * @returns {{program: WebGLProgram, at: Uniforms}}
 */
function link(gl, name, defines) {
  const program = /** @type {WebGLProgram} */ (gl.createProgram());
  const broken = (/** @type {string | null} */ log) =>
    new Error(`the shader "${name}" fails; please report this: ${log} (${defines})`);
  for (const source of SHADERS[name]) {
    const vertex = source === RECTANGLE || source === SHADERS.edges[0];
    const type = vertex ? gl.VERTEX_SHADER : gl.FRAGMENT_SHADER;
    const shader = /** @type {WebGLShader} */ (gl.createShader(type));
    gl.shaderSource(shader, HEAD + defines + source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) {
      throw broken(gl.getShaderInfoLog(shader));
    }
    gl.deleteShader(shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw broken(gl.getProgramInfoLog(program));
  }
  gl.useProgram(program);
  /** @type {Uniforms} */
  const at = {};
  const count = gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS) ?? 0;
  for (let i = 0; i < count; i++) {
    const info = /** @type {WebGLActiveInfo} */ (gl.getActiveUniform(program, i));
    const uniform = info.name.replace("[0]", "");
    at[uniform] = /** @type {WebGLUniformLocation} */ (gl.getUniformLocation(program, info.name));
    const unit = UNITS[/** @type {"tile"} */ (uniform)];
    const units = Array.from({ length: info.size }, (_, k) => unit + k);
    if (unit !== undefined) gl.uniform1iv(at[uniform], units);
  }
  return { program, at };
}
