/**
 * Labels: first their ids are drawn, pixel by pixel, then the ids are coloured.
 *
 * @typedef {import("../types.js").Cover} Cover
 * @typedef {import("../types.js").Frame} Frame
 * @typedef {import("../types.js").Layer} Layer
 * @typedef {import("../types.js").PaneFrame} PaneFrame
 * @typedef {import("./stage.js").Stage} Stage
 * @typedef {{pane: PaneFrame["pane"], cover: Cover}} Part
 * @typedef {{texture: WebGLTexture, mask: number, probes: number}} Table
 */

import { drawQuads } from "./planes.js";
import { UNITS } from "./shaders.js";
import { layoutOf } from "./textures.js";
import { signOf } from "./windows.js";

/** What seeds are multiplied with before ids are xored with them. */
const SEED = 0xd1342543de82ef95n;

/** Entries of a table per row of its texture, at most. */
const ROW = 1024;

/** @param {string | number | bigint} id @returns {[number, number]} low and high word */
function wordsOf(id) {
  const whole = BigInt.asUintN(64, BigInt(id));
  return [Number(whole & 0xffffffffn), Number(whole >> 32n)];
}

/** @param {number} low @param {number} high @returns {number} as `find` in the shader */
function slotOf(low, high) {
  const hash = Math.imul(low, 0x9e3779b1) ^ Math.imul(high, 0x85ebca6b);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/**
 * Put ids and what belongs to them where the shader finds them: a hash table as a texture.
 * @param {[id: string, value: number][]} pairs
 * @returns {{data: Uint32Array, width: number, height: number, mask: number, probes: number}}
 *   four numbers per entry (low, high, value, 1); how many entries a search looks at, at most
 */
export function tabulate(pairs) {
  let size = 16;
  while (size < pairs.length * 2) size *= 2;
  const data = new Uint32Array(size * 4);
  let probes = 0;
  for (const [id, value] of pairs) {
    const [low, high] = wordsOf(id);
    let slot = slotOf(low, high) & (size - 1);
    let steps = 1;
    for (; data[slot * 4 + 3]; slot = (slot + 1) & (size - 1), steps++) {
      if (data[slot * 4] === low && data[slot * 4 + 1] === high) break;
    }
    data.set([low, high, value, 1], slot * 4);
    probes = Math.max(probes, steps);
  }
  const width = Math.min(size, ROW);
  return { data, width, height: size / width, mask: size - 1, probes };
}

export class LabelPainter {
  /** @param {Stage} stage @param {Layer[]} layers   the manifest's */
  constructor(stage, layers) {
    this.stage = stage;
    /** Index among the layers, for each label layer. */
    this.layers = [...layers.keys()].filter((i) => layers[i].kind === "label");
    this.colors = this.layers.map((i) => layers[i].colors);
    /** @type {(Table | null)[]} */
    this.given = this.layers.map(() => null);
    /** @type {{ids: string[], table: Table}[]} */
    this.chosen = [];
  }

  /** @param {Frame} frame */
  draw(frame) {
    for (const [i, layer] of this.layers.entries()) {
      const state = frame.labels[i];
      if (!state?.visible || !(state.opacity > 0)) continue;
      const parts = frame.panes.flatMap(({ pane, covers }) =>
        covers.filter((c) => c.layer === layer && c.quads.length).map((cover) => ({ pane, cover }))
      );
      if (!parts.length) continue;
      this.drawIds(frame, parts);
      this.color(frame, i, parts);
    }
  }

  /** @param {Frame} frame @param {Part[]} parts */
  drawIds({ width, height }, parts) {
    const { stage } = this;
    const { gl } = stage;
    stage.onto(stage.target("ids", width, height));
    stage.blend("none");
    gl.clearBufferuiv(gl.COLOR, 0, [0, 0, 0, 0]);
    for (const { pane, cover } of parts) {
      drawQuads(stage, [cover], pane, (dtype) => {
        const at = stage.use("ids", layoutOf(dtype).kind);
        gl.uniform1ui(at.sign, signOf(dtype));
        return at;
      });
    }
  }

  /** @param {Frame} frame @param {number} i @param {Part[]} parts */
  color(frame, i, parts) {
    const { stage } = this;
    const { gl } = stage;
    const { opacity, outline, seed, selected } = frame.labels[i];
    stage.onto(null);
    stage.blend("over");
    const at = stage.use("labels");
    stage.sample(UNITS.ids, stage.target("ids", frame.width, frame.height).texture);
    this.look(UNITS.given, at.givenTable, this.givenTable(i));
    this.look(UNITS.chosen, at.chosenTable, this.chosenTable(i, selected));
    const width = outline > 0 ? Math.max(1, Math.round(outline * frame.dpr)) : 0;
    gl.uniform2i(at.widths, width, Math.max(1, Math.round(frame.dpr)));
    gl.uniform2ui(at.seed, ...wordsOf(BigInt(Math.trunc(seed)) * SEED));
    gl.uniform2ui(at.hovered, ...wordsOf(frame.hovered[i] ?? 0));
    gl.uniform1f(at.opacity, opacity);
    for (const { pane, cover } of parts) {
      if (!stage.place(spanOf(cover), pane.rect)) continue;
      gl.uniform4iv(at.bounds, stage.box);
      stage.fill();
    }
  }

  /** @param {number} unit @param {WebGLUniformLocation} where @param {Table | null} table */
  look(unit, where, table) {
    this.stage.sample(unit, table ? table.texture : this.stage.textures.dummies[0]);
    this.stage.gl.uniform2i(where, table ? table.mask : 0, table ? table.probes : 0);
  }

  /** @param {number} i @returns {Table | null} */
  givenTable(i) {
    if (!this.colors[i].length) return null;
    return (this.given[i] ??= this.table(
      this.colors[i].map(([id, [r, g, b, a]]) => [id, (r | (g << 8) | (b << 16) | (a << 24)) >>> 0])
    ));
  }

  /** @param {number} i @param {string[]} ids @returns {Table | null} */
  chosenTable(i, ids) {
    if (!ids.length) return null;
    const known = this.chosen[i];
    if (known?.ids === ids) return known.table;
    if (known) this.stage.gl.deleteTexture(known.table.texture);
    const table = this.table(ids.map((id) => [id, 0]));
    this.chosen[i] = { ids, table };
    return table;
  }

  /** @param {[string, number][]} pairs @returns {Table} */
  table(pairs) {
    const { gl, textures } = this.stage;
    const { data, width, height, mask, probes } = tabulate(pairs);
    const texture = textures.upload(gl.TEXTURE_2D, [1, height, width], data, gl.RGBA32UI);
    return { texture, mask, probes };
  }
}

/**
 * The rectangle that a cover's quads and holes make up; its edge is no edge of a label.
 * @param {Cover} cover
 * @returns {[number, number, number, number]}
 */
function spanOf({ quads, holes }) {
  /** @type {[number, number, number, number]} */
  const span = [Infinity, Infinity, -Infinity, -Infinity];
  for (const edges of [...quads.map((quad) => quad.screen), ...holes]) {
    for (const i of [0, 1]) {
      span[i] = Math.min(span[i], edges[i]);
      span[i + 2] = Math.max(span[i + 2], edges[i + 2]);
    }
  }
  return span;
}
