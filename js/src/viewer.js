/**
 * The viewer: one canvas with its controls. It decides what is drawn when; how tiles come, how they
 * are drawn and what keys do is elsewhere.
 *
 * @typedef {import("./types.js").Manifest} Manifest
 * @typedef {import("./types.js").State} State
 * @typedef {import("./types.js").SharedState} SharedState
 * @typedef {import("./types.js").Pane} Pane
 * @typedef {import("./types.js").PaneFrame} PaneFrame
 * @typedef {import("./types.js").Frame} Frame
 * @typedef {import("./types.js").Viewer} Contract
 * @typedef {import("./types.js").TileAddress} TileAddress
 * @typedef {import("./types.js").Renderer & {current?: boolean}} Renderer
 * @typedef {ReturnType<typeof volumeLevels>} Bricks
 * @typedef {import("./types.js").Source & {
 *   profile: (points: Record<string, number>[], level: number) => Promise<import("./types.js").Profile>,
 *   frame?: (state: any, width: number, height: number, dpr: number) => Promise<any>,
 *   dispose?: () => void,
 * }} FullSource
 */
import {
  axisOf,
  chooseLevel,
  cover,
  panesOf,
  prefetchAlong,
  shownChannels,
  toVoxel,
  volumeLevels,
  volumeRect,
  wantedTiles,
} from "./geometry.js";
import { createRenderer } from "./gl/renderer.js";
import { Keeping } from "./keeping.js";
import { pictureOf } from "./picture.js";
import { Playback } from "./playback.js";
import { FrameRenderer } from "./source/frames.js";
import { buildStage } from "./stage.js";
import { Store } from "./state.js";
import { followTheme } from "./theme.js";
import { TileStore } from "./tiles.js";
import { ACTIONS } from "./ui/actions.js";
import { mountAxes } from "./ui/axes.js";
import { mountHelp } from "./ui/help.js";
import { mountInput } from "./ui/input.js";
import { fitting } from "./ui/moves.js";
import { redraw } from "./ui/overlay.js";
import { mountPanel } from "./ui/panel.js";
import { mountProfile } from "./ui/profile.js";
import { hoveredLabels } from "./ui/readout.js";
import { mountStatus } from "./ui/status.js";
import { mountToolbar } from "./ui/toolbar.js";
import { watchCard, watchSize } from "./watching.js";

/** Planes that are asked for ahead while an axis plays, and after a step along it. */
const AHEAD = { playing: 12, stepped: 3 };

/**
 * The volume's size beside that of planes at the same zoom, so that where they fit it does too when
 * it is turned. `ngffkit/widgets/volumes.py` has to know it as well.
 */
const VOLUME = 0.7;

/** @type {Record<string, [number, number, number]>} */
const BACKGROUND = { dark: [0.07, 0.07, 0.08], light: [0.93, 0.93, 0.94] };

/** State that changes nothing of the picture itself. */
const ABOVE = new Set(["hover", "loading", "message", "status", "help", "panel", "shown_mag"]);

/** @type {import("./types.js").LocalState} */
const LOCAL = {
  hover: null,
  playing: null,
  rate: 10,
  loading: 0,
  status: "ok",
  message: "",
  help: false,
  panel: true,
  maximised: -1,
  pane: 0,
};

/** @implements {Contract} */
export class Viewer {
  /**
   * @param {HTMLElement} parent
   * @param {{manifest: Manifest, state: SharedState, source: FullSource,
   *   first?: import("./types.js").Tile[]}} given `first`: tiles that are there already
   */
  constructor(parent, { manifest, state, source, first = [] }) {
    this.manifest = manifest;
    this.source = source;
    this.state = new Store(/** @type {State} */ ({ ...LOCAL, ...state }));
    this.places = buildStage(manifest.name);
    const { root, canvas, overlay, stage } = this.places;
    this.root = root;
    this.canvas = canvas;
    this.overlay = overlay;
    this.dpr = 1;
    this.count = 0;
    this.pending = 0;
    this.onlyAbove = false;
    this.asking = false;
    this.keeping = new Keeping(() => this.invalidate());
    /** @type {{x: number, y: number, w: number, h: number} | null} */
    this.volume = null;
    /** @type {Bricks} */
    this.bricks = [];
    /** @type {Pane[]} */
    this.drawn = [];
    /** @type {PaneFrame[]} */
    this.shown = [];
    /** @type {{axis: string, direction: number} | null} */
    this.heading = null;
    this.closing = new AbortController();
    parent.replaceChildren(root);
    Object.assign(root, { nkViewer: this });
    this.tiles = new TileStore(source, { onChange: () => this.invalidate() });
    for (const tile of first) this.tiles.put(tile);
    /** @type {Renderer} */
    this.renderer = createRenderer(canvas, manifest) ?? this.pictures();
    this.playback = new Playback(this);
    this.parts = this.mount();
    this.watch();
    watchCard(this);
    this.observer = watchSize(stage, () => this.resize());
    this.resize();
  }

  mount() {
    const { top, side, below, foot, root } = this.places;
    return [
      mountToolbar(this, top),
      mountPanel(this, side),
      mountProfile(this, below),
      mountAxes(this, below),
      mountStatus(this, foot),
      mountHelp(this, root),
      mountInput(this),
    ];
  }

  /** What draws where WebGL2 doesn't: it takes a canvas that nothing was drawn on. */
  pictures() {
    const canvas = /** @type {HTMLCanvasElement} */ (this.canvas.cloneNode());
    this.canvas.replaceWith(canvas);
    this.canvas = canvas;
    return new FrameRenderer(this, () => this.finish());
  }

  /** Go on without WebGL2. */
  fallBack() {
    const focused = this.canvas.matches(":focus");
    for (const part of this.parts) part.dispose();
    this.renderer.dispose();
    this.renderer = this.pictures();
    this.parts = this.mount();
    if (focused) this.canvas.focus({ preventScroll: true });
    this.invalidate();
  }

  watch() {
    const { state } = this;
    const { signal } = this.closing;
    const retheme = followTheme(this.root, () => state.get("theme"), signal, () =>
      this.invalidate(),
    );
    state.on("theme", retheme);
    state.on("height", () => this.resize());
    this.source.onStatus((status) => state.set({ status }));
    let before = state.get("voxel");
    state.on("voxel", (voxel) => {
      const axis = Object.keys(voxel).find((name) => voxel[name] !== before[name]);
      if (axis) this.heading = { axis, direction: Math.sign(voxel[axis] - before[axis]) };
      before = voxel;
    });
    state.on("*", (/** @type {string[]} */ keys) => {
      const labels = this.manifest.layers.some(({ kind }) => kind === "label");
      // the label under the cursor is brighter, so it is part of the picture
      this.invalidate(keys.every((key) => ABOVE.has(key) && !(labels && key === "hover")));
    });
  }

  resize() {
    const { stage } = this.places;
    stage.style.height = `${this.state.get("height")}px`;
    const { width, height } = stage.getBoundingClientRect();
    if (!width || !height) return;
    this.dpr = globalThis.devicePixelRatio || 1;
    const size = [width, height].map((side) => Math.max(1, Math.round(side * this.dpr)));
    for (const canvas of [this.canvas, this.overlay]) {
      // a canvas is emptied when it is told its size, even if that is the one it has
      if (canvas.width !== size[0]) canvas.width = size[0];
      if (canvas.height !== size[1]) canvas.height = size[1];
    }
    if (!(this.state.get("zoom") > 0)) {
      this.state.set({ zoom: fitting(this) }, "fit");
    }
    this.draw();
  }

  /** @returns {[number, number, number]} */
  size() {
    return [this.canvas.width, this.canvas.height, this.dpr];
  }

  panes() {
    return this.drawn;
  }

  frames() {
    return this.shown;
  }

  /** @param {boolean} [onlyAbove] whether the picture itself is as it was */
  invalidate(onlyAbove = false) {
    if (this.closing.signal.aborted) return;
    this.onlyAbove = onlyAbove && (this.pending === 0 || this.onlyAbove);
    if (!this.onlyAbove) {
      this.root.dataset.settled = "false";
      // tiles are asked for now, not when the browser next has time to draw
      if (!this.asking) queueMicrotask(() => this.look());
      this.asking = true;
    }
    this.pending ||= requestAnimationFrame(() => {
      this.pending = 0;
      if (this.onlyAbove) this.drawAbove();
      else this.draw();
    });
  }

  /** Work out what the state shows, and ask for it. */
  look() {
    const { manifest, state } = this;
    this.asking = false;
    if (!(state.get("zoom") > 0) || this.closing.signal.aborted) return;
    this.drawn = panesOf(manifest, state.values, ...this.size());
    this.volume = volumeRect(manifest, state.values, ...this.size());
    this.bricks = this.volume ? volumeLevels(manifest, state.values) : [];
    this.want();
  }

  draw() {
    const { manifest, state } = this;
    if (!(state.get("zoom") > 0)) return;
    this.look();
    const covered = shownChannels(manifest, state.values);
    const frames = this.drawn.map((pane) => ({
      pane,
      covers: covered.map(({ layer, channel }) =>
        cover(manifest, layer, channel, pane, state.values, this.tiles),
      ),
    }));
    const { shown, all } = this.keeping.apply(this.shown, frames, this.tiles.loading > 0);
    this.shown = shown;
    // where every pane stays as it is, so does the canvas
    if (!all || this.volume) {
      try {
        this.renderer.draw(this.frame());
      } catch (error) {
        // a driver that can't do what it should
        console.warn("ngffkit: WebGL2 fails here, so the kernel draws.", error);
        return this.fallBack();
      }
    }
    this.finish();
  }

  want() {
    const { manifest, state, tiles, drawn, bricks } = this;
    const has = (/** @type {string} */ key) => tiles.has(key);
    const { visible, prefetch } = wantedTiles(manifest, state.values, drawn, has);
    const volume = bricks.map(({ address }) => address);
    if (drawn.length) tiles.want(visible, [...this.ahead(), ...volume, ...prefetch], volume);
    else tiles.want(volume, []);
    state.set({ loading: tiles.loading });
  }

  /** Planes that are likely to be next. @returns {TileAddress[]} */
  ahead() {
    const { manifest, state, drawn, heading } = this;
    const playing = state.get("playing");
    const { axis, direction } = playing ? { axis: playing, direction: 1 } : (heading ?? {});
    if (!axis || !direction) return [];
    const count = playing ? AHEAD.playing : AHEAD.stepped;
    return prefetchAlong(manifest, state.values, drawn, axis, direction, count);
  }

  /** @returns {Frame} */
  frame() {
    const { manifest, state, dpr, bricks, volume: rect } = this;
    const { channels, labels, turn, zoom } = state.values;
    const loaded = bricks.flatMap(({ layer, channel, address }) => {
      const tile = this.tiles.get(address.key);
      return tile ? [{ layer, channel, tile }] : [];
    });
    const extent = manifest.spatial.slice(-3).reverse().map((name) => {
      const { size, display } = axisOf(manifest, name);
      return size * display;
    });
    const perVoxel = axisOf(manifest, manifest.reference).display;
    return {
      width: this.canvas.width,
      height: this.canvas.height,
      dpr,
      background: BACKGROUND[this.root.dataset.theme ?? "dark"],
      panes: this.shown,
      channels,
      labels,
      hovered: hoveredLabels(this),
      volume: rect && {
        rect,
        bricks: loaded,
        turn,
        extent: /** @type {[number, number, number]} */ (extent),
        zoom: (VOLUME * zoom * dpr) / perVoxel,
      },
    };
  }

  drawAbove() {
    redraw(this);
    this.settle();
  }

  /** After the picture: what is above it, and what the page may know. */
  finish() {
    const { manifest, state, root } = this;
    const [layer] = manifest.layers;
    if (this.drawn.length) {
      const level = chooseLevel(layer, this.drawn[0], state.get("held_mag"));
      state.set({ shown_mag: layer.levels[level].mag }, "viewer");
    }
    root.dataset.ready = "true";
    root.dataset.mag = state.get("shown_mag");
    root.dataset.frame = String(++this.count);
    this.drawAbove();
  }

  settle() {
    const { loading } = this.tiles;
    const { dataset } = this.root;
    this.state.set({ loading });
    dataset.loading = String(loading);
    dataset.status = this.state.get("status");
    const pictured = this.renderer.current ?? true;
    const settled = loading === 0 && pictured && (this.pending === 0 || this.onlyAbove);
    dataset.settled = String(settled);
    if (settled) this.playback.settled();
  }

  /** @param {number} x @param {number} y */
  at(x, y) {
    const pane = this.drawn.find(
      ({ rect }) => x >= rect.x && x < rect.x + rect.w && y >= rect.y && y < rect.y + rect.h,
    );
    if (!pane) return null;
    const [u, v] = toVoxel(pane, x, y);
    const [horizontal, vertical] = pane.plane;
    return { pane, voxel: { ...this.state.get("voxel"), [horizontal]: u, [vertical]: v } };
  }

  /** @param {string} name @param {any} [argument] */
  act(name, argument) {
    ACTIONS[name].run(this, argument);
  }

  /** @param {Record<string, number>[]} points */
  profile(points) {
    const [layer] = this.manifest.layers;
    const [pane] = this.drawn;
    const level = pane ? chooseLevel(layer, pane, this.state.get("held_mag")) : 0;
    return this.source.profile(points, level);
  }

  picture() {
    return pictureOf(this.renderer, this.overlay);
  }

  /** @param {string} text */
  say(text) {
    this.state.set({ message: text });
  }

  dispose() {
    cancelAnimationFrame(this.pending);
    this.closing.abort();
    this.observer.disconnect();
    this.playback.dispose();
    this.tiles.dispose();
    for (const part of this.parts) part.dispose();
    this.renderer.dispose();
    this.source.dispose?.();
    this.root.remove();
  }
}
