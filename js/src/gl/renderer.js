/**
 * Draws frames with WebGL2: the same pixels as `ngffkit.plots.compose` makes, on any card.
 *
 * @typedef {import("../types.js").ChannelState} ChannelState
 * @typedef {import("../types.js").Cover} Cover
 * @typedef {import("../types.js").Frame} Frame
 * @typedef {import("../types.js").LabelState} LabelState
 * @typedef {import("../types.js").Manifest} Manifest
 * @typedef {import("../types.js").PaneFrame} PaneFrame
 * @typedef {import("../types.js").Renderer} Renderer
 * @typedef {PaneFrame & {groups: import("./planes.js").Shown[][]}} Grouped
 */

import { LabelPainter } from "./labels.js";
import { drawChannels, groupsOf } from "./planes.js";
import { UNITS } from "./shaders.js";
import { Stage } from "./stage.js";
import { VolumePainter } from "./volume.js";

const CONTEXT = {
  alpha: false,
  antialias: false,
  depth: false,
  stencil: false,
  preserveDrawingBuffer: false,
};

/** Where nothing has arrived yet, the background is mixed with this grey. */
const WAITING = 0.35;

const FAILED = [0.9, 0.6, 0];

/** @implements {Renderer} */
export class GlRenderer {
  /** @param {HTMLCanvasElement} canvas @param {Manifest} manifest */
  constructor(canvas, manifest) {
    const gl = /** @type {WebGL2RenderingContext | null} */ (canvas.getContext("webgl2", CONTEXT));
    if (!gl) throw new Error("this browser has no WebGL2; turn on its hardware acceleration");
    this.canvas = canvas;
    this.manifest = manifest;
    this.gl = gl;
    /** @type {Frame | null} */
    this.last = null;
    /** Index of each layer's first channel among those of its kind. @type {number[]} */
    this.offsets = [];
    const counts = { intensity: 0, label: 0 };
    for (const { kind, channels } of manifest.layers) {
      this.offsets.push(counts[kind]);
      counts[kind] += channels.length;
    }
    this.stage = new Stage(gl);
    this.labels = new LabelPainter(this.stage, manifest.layers);
    this.volume = new VolumePainter(this.stage, manifest, () => this.again());
    this.listeners = new AbortController();
    const { signal } = this.listeners;
    // without this the context would not come back
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault(), { signal });
    canvas.addEventListener("webglcontextrestored", () => this.restore(), { signal });
  }

  /** Make everything that lived on the card again. */
  restore() {
    clearTimeout(this.volume.timer);
    this.stage = new Stage(this.gl);
    this.labels = new LabelPainter(this.stage, this.manifest.layers);
    this.volume = new VolumePainter(this.stage, this.manifest, () => this.again());
    this.again();
  }

  again() {
    if (this.last) this.draw(this.last);
  }

  /** @param {Frame} frame */
  draw(frame) {
    const { canvas, stage } = this;
    this.last = frame;
    if (canvas.width !== frame.width) canvas.width = frame.width;
    if (canvas.height !== frame.height) canvas.height = frame.height;
    if (this.gl.isContextLost() || !frame.width || !frame.height) return;
    stage.textures.next();
    const panes = frame.panes.map(({ pane, covers }) => ({
      pane,
      covers,
      groups: groupsOf(
        covers.flatMap((cover) => {
          const state = this.shown(frame, cover);
          return state && "window" in state ? [{ cover, state }] : [];
        })
      ),
    }));
    const several = panes.filter(({ groups }) => groups.length > 1);
    if (several.length) this.sum(frame, several);
    this.lay(frame, panes);
    this.labels.draw(frame);
    stage.onto(null);
    stage.blend("over");
    for (const { pane, covers } of frame.panes) {
      for (const cover of covers) if (this.shown(frame, cover)) this.hatch(cover, pane);
    }
    if (frame.volume) {
      const styleOf = (/** @type {number} */ layer, /** @type {number} */ channel) =>
        frame.channels[this.offsets[layer] + channel];
      this.volume.draw({ ...frame, volume: frame.volume }, styleOf);
    }
  }

  /** @param {Frame} frame @param {Cover} cover @returns {ChannelState | LabelState | null} */
  shown({ channels, labels }, { layer, channel }) {
    const states = this.manifest.layers[layer].kind === "label" ? labels : channels;
    const state = states[this.offsets[layer] + channel];
    return state?.visible ? state : null;
  }

  /**
   * Sum up channels that can't be drawn at once.
   * @param {Frame} frame
   * @param {Grouped[]} panes
   */
  sum({ width, height }, panes) {
    const { gl, stage } = this;
    stage.onto(stage.target("sum", width, height));
    gl.clearBufferfv(gl.COLOR, 0, [0, 0, 0, 0]);
    stage.blend("add");
    for (const { pane, groups } of panes) {
      for (const group of groups) drawChannels(stage, group, pane);
    }
  }

  /**
   * Draw the images, and what is seen where there are none.
   * @param {Frame} frame
   * @param {Grouped[]} panes
   */
  lay(frame, panes) {
    const { gl, stage } = this;
    const { background, width, height } = frame;
    const gap = background[1] > 0.5 ? -0.08 : 0.08;
    const waiting = background.map((part) => (part + WAITING) / 2);
    stage.onto(null);
    stage.blend("none");
    stage.clear({ x: 0, y: 0, w: width, h: height }, background.map((part) => part + gap));
    for (const { pane, covers, groups } of panes) {
      const { rect } = pane;
      stage.clear(rect, background);
      for (const cover of covers) {
        if (!this.shown(frame, cover)) continue;
        for (const hole of cover.holes) stage.paint(rect, waiting, 1, 1, hole);
      }
      if (groups.length === 1) drawChannels(stage, groups[0], pane);
      else if (groups.length && stage.place([0, 0, rect.w, rect.h], rect)) {
        stage.sample(UNITS.sum, stage.target("sum", width, height).texture);
        gl.uniform3i(stage.use("resolve").origin, 0, 0, 1);
        stage.fill();
      }
    }
  }

  /** Mark what can't be shown. @param {Cover} cover @param {PaneFrame["pane"]} pane */
  hatch({ failed, quads }, { rect }) {
    for (const { screen } of failed) this.stage.paint(rect, FAILED, 0.6, 2, screen);
    for (const { tile, screen } of quads) {
      if (!this.stage.textures.fits(tile)) this.stage.paint(rect, FAILED, 0.6, 2, screen);
    }
  }

  read() {
    const { gl } = this;
    // the canvas holds its pixels until the task ends, no longer
    this.volume.sharpen();
    this.again();
    const { width, height } = this.canvas;
    const below = new Uint8Array(width * height * 4);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, below);
    const pixels = new Uint8ClampedArray(below.length);
    for (let row = 0; row < height; row++) {
      const start = (height - 1 - row) * width * 4;
      pixels.set(below.subarray(start, start + width * 4), row * width * 4);
    }
    return { width, height, pixels };
  }

  dispose() {
    this.listeners.abort();
    clearTimeout(this.volume.timer);
    this.last = null;
    // a browser has few contexts, and takes this one from us sooner than the garbage collector
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Manifest} manifest
 * @returns {GlRenderer | null} null without WebGL2
 */
export function createRenderer(canvas, manifest) {
  try {
    return new GlRenderer(canvas, manifest);
  } catch {
    return null;
  }
}
