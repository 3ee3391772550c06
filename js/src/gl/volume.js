/**
 * The volume: the maximum of whole levels along the line of sight, turned as the user likes. The
 * same picture as `ngffkit/widgets/volumes.py` makes.
 *
 * @typedef {import("../types.js").ChannelState} ChannelState
 * @typedef {import("../types.js").Frame} Frame
 * @typedef {import("../types.js").Manifest} Manifest
 * @typedef {import("../types.js").Tile} Tile
 * @typedef {import("../types.js").VolumeFrame} VolumeFrame
 * @typedef {import("./stage.js").Stage} Stage
 * @typedef {[number, number, number]} Vector   x, y, z of the bricks
 * @typedef {{right: Vector, down: Vector, sight: Vector, zoom: number}} View
 * @typedef {{layer: number, tile: Tile, style: ChannelState}} Brick
 */

import { UNITS } from "./shaders.js";
import { layoutOf } from "./textures.js";
import { setWindows } from "./windows.js";

/** Lookups of a picture that are few enough to draw it whole while it is turned. */
const LOOKUPS = 2 ** 24;

/** Milliseconds after which what was drawn coarsely while it turned is drawn in full. */
const REST = 150;

/**
 * Where screen right, screen down and the line of sight point in the scene.
 * @param {[number, number]} turn   yaw and pitch, degrees
 * @returns {{right: Vector, down: Vector, sight: Vector}}
 */
export function directions([yaw, pitch]) {
  const [a, b] = [yaw, pitch].map((degrees) => (degrees * Math.PI) / 180);
  const [ca, sa, cb, sb] = [Math.cos(a), Math.sin(a), Math.cos(b), Math.sin(b)];
  return { right: [ca, 0, -sa], down: [sa * sb, cb, ca * sb], sight: [sa * cb, -sb, ca * cb] };
}

export class VolumePainter {
  /** @param {Stage} stage @param {Manifest} manifest @param {() => void} redraw */
  constructor(stage, manifest, redraw) {
    this.stage = stage;
    this.manifest = manifest;
    this.redraw = redraw;
    /** What the picture that is there was made of. @type {any[]} */
    this.inputs = [];
    /** @type {[number, number] | null} */
    this.turn = null;
    /** Device pixels that one pixel of it stands for, along each axis. */
    this.step = 1;
    this.timer = 0;
  }

  /** Draw what is there only coarsely in full, at the next `draw`. */
  sharpen() {
    clearTimeout(this.timer);
    if (this.step > 1) this.inputs = [];
  }

  /**
   * @param {Frame & {volume: VolumeFrame}} frame
   * @param {(layer: number, channel: number) => ChannelState} styleOf
   */
  draw({ volume, background }, styleOf) {
    const { stage } = this;
    const { rect, turn, zoom } = volume;
    const bricks = volume.bricks.flatMap((brick) => {
      const style = styleOf(brick.layer, brick.channel);
      const shown = style?.visible && stage.textures.fits(brick.tile);
      return shown ? [{ ...brick, style }] : [];
    });
    const view = { ...directions(turn), zoom };
    const inputs = [rect.w, rect.h, zoom, ...bricks.flatMap(({ tile, style }) => [tile, style])];
    const turned = this.turn?.[0] !== turn[0] || this.turn[1] !== turn[1];
    const changed =
      inputs.length !== this.inputs.length || inputs.some((part, i) => part !== this.inputs[i]);
    if (changed || turned) {
      const slices = bricks.reduce((n, { tile }) => n + Math.max(...tile.shape), 0);
      this.step = !changed && slices * rect.w * rect.h > LOOKUPS ? 2 : 1;
      this.begin(rect);
      for (const brick of bricks) this.project(brick, view, rect);
      this.turn = turn;
      this.inputs = inputs;
      clearTimeout(this.timer);
      if (this.step > 1) this.timer = Number(setTimeout(() => this.rest(), REST));
    }
    this.show(volume, background, view);
  }

  rest() {
    this.sharpen();
    this.redraw();
  }

  /**
   * Where a brick lies in the scene, which begins at the outer edge of its first voxel.
   * @param {Brick} brick
   * @returns {{begin: Vector, spacing: Vector, dims: Vector}} edge and voxel in common units
   */
  placed({ layer, tile }) {
    const { request, shape } = tile;
    const level = this.manifest.layers[layer].levels[request.level];
    const begin = /** @type {Vector} */ ([0, 0, 0]);
    const spacing = /** @type {Vector} */ ([0, 0, 0]);
    for (let i = 0; i < 3; i++) {
      const name = request.order[2 - i];
      const axis = this.manifest.axes.find((other) => other.name === name);
      const display = axis ? axis.display : 1;
      const first = level.offset[name] + (request.box[name][0] - 0.5) * level.factor[name];
      begin[i] = (first + 0.5) * display;
      spacing[i] = level.factor[name] * display;
    }
    return { begin, spacing, dims: [shape[2], shape[1], shape[0]] };
  }

  /** @param {VolumeFrame["rect"]} rect */
  begin({ w, h }) {
    const { stage } = this;
    stage.onto(stage.target("volume", Math.ceil(w / this.step), Math.ceil(h / this.step)));
    stage.gl.clearBufferfv(stage.gl.COLOR, 0, [0, 0, 0, 0]);
    stage.blend("add");
  }

  /**
   * Add a brick to the sum.
   * @param {Brick} brick
   * @param {View} view
   * @param {VolumeFrame["rect"]} rect
   */
  project(brick, { right, down, sight, zoom }, rect) {
    const { stage, step } = this;
    const { gl } = stage;
    const { tile, style } = brick;
    const { begin, spacing, dims } = this.placed(brick);
    const at = stage.use("project", layoutOf(tile.dtype).kind, 1, style.gamma !== 1);
    setWindows(gl, at, tile.dtype, [style]);
    stage.textures.bind([tile], UNITS.brick, at);
    const inVoxels = (/** @type {Vector} */ vector, /** @type {number} */ by) =>
      vector.map((n, i) => (n * by) / spacing[i]);
    const across = inVoxels(right, step / zoom);
    const below = inVoxels(down, step / zoom);
    // the middle of the first pixel, as seen from the middle of the pane
    const [x, y] = [0.5 - rect.w / step / 2, 0.5 - rect.h / step / 2];
    const corner = this.middle().map(
      (n, i) => (n - begin[i]) / spacing[i] + across[i] * x + below[i] * y
    );
    const along = inVoxels(sight, 1);
    const axis = along.reduce((k, n, i) => (Math.abs(n) > Math.abs(along[k]) ? i : k), 0);
    const slope = along.map((n) => n / Math.abs(along[axis]));
    gl.uniform3iv(at.dims, dims);
    gl.uniform3fv(at.corner, corner);
    gl.uniform3fv(at.across, across);
    gl.uniform3fv(at.down, below);
    // a line of sight within a slice would divide by zero
    gl.uniform3fv(at.sight, slope.map((n) => (Math.abs(n) < 1e-7 ? 1e-7 : n)));
    gl.uniform1i(at.axis, axis);
    stage.box.set([0, 0, stage.size[0], stage.size[1]]);
    stage.fill();
  }

  /** @returns {number[]} of the scene, x, y, z, in common units */
  middle() {
    const { axes, spatial } = this.manifest;
    return spatial.slice(-3).reverse().map((name) => {
      const { size = 0, display = 1 } = axes.find((axis) => axis.name === name) ?? {};
      return (size * display) / 2;
    });
  }

  /**
   * @param {VolumeFrame} volume
   * @param {number[]} background
   * @param {View} view
   */
  show({ rect, extent, zoom }, background, { right, down }) {
    const { stage, step } = this;
    const { gl } = stage;
    stage.onto(null);
    stage.blend("over");
    stage.clear(rect, background);
    const target = stage.targets.get("volume");
    if (target) {
      stage.sample(UNITS.sum, target.texture);
      gl.uniform3i(stage.use("resolve").origin, rect.x, rect.y, step);
      stage.place([0, 0, rect.w, rect.h], rect);
      stage.fill();
    }
    const at = stage.use("edges");
    gl.uniform2f(at.middle, rect.x + rect.w / 2, rect.y + rect.h / 2);
    gl.uniform3fv(at.extent, extent.map((n) => n * zoom));
    gl.uniform3fv(at.right, right);
    gl.uniform3fv(at.down, down);
    gl.uniform4f(at.paint, 0.5, 0.5, 0.5, 0.5);
    stage.within(rect, () => gl.drawArrays(gl.LINES, 0, 24));
  }
}
