/** A viewer without a page, for what only needs its state: panes as drawn, tiles as they are held. */
import { chooseLevel, cover, panesOf, shownChannels, tilesOf, toVoxel } from "../src/geometry.js";
import { Store } from "../src/state.js";
import { axis, holding, layer, level, manifestOf, stateOf } from "./scenes.js";

/** A volume in two mags with time, and labels; 8 voxels deep, 200 x 100 wide. */
export function volume() {
  const space = [axis("z", 8, 2, { scale: 0.5, unit: "µm" }), axis("y", 100), axis("x", 200)];
  const time = axis("t", 3, 1, { type: "time", unit: "s", scale: 2 });
  const axes = [time, ...space];
  const levels = [level(axes, {}, { tile: 64 }), level(axes, { z: 2, y: 2, x: 2 }, { tile: 64 })];
  const labels = layer(space, [level(space, {}, { tile: 64 })], { kind: "label", dtype: "uint64" });
  return manifestOf(axes, [layer(axes, levels, { dtype: "uint32", channels: 2 }), labels]);
}

/** A flat image. */
export function flat() {
  const axes = [axis("y", 100), axis("x", 200)];
  return manifestOf(axes, [layer(axes, [level(axes, {}, { tile: 64 })])]);
}

/** @param {any} manifest @param {any} changes of the state */
export function viewerOf(manifest, changes = {}, { width = 400, height = 200, dpr = 1 } = {}) {
  const plain = stateOf(manifest);
  const state = new Store({
    ...plain,
    channels: plain.channels.map((channel) => ({ ...channel, gamma: 1 })),
    labels: plain.labels.map(() => ({ visible: true, opacity: 1, seed: 0, selected: [] })),
    shown_mag: "1",
    selection: {},
    tool: "pan",
    scalebar: true,
    crosshair: true,
    turn: [0, 0],
    hover: null,
    playing: null,
    help: false,
    panel: true,
    maximised: -1,
    pane: 0,
    message: "",
    ...changes,
  });
  let tiles = { ...holding([]), retry: () => (viewer.retried = true) };
  const viewer = {
    manifest,
    state,
    dpr,
    canvas: { width, height },
    retried: false,
    drawn: 0,
    get tiles() {
      return tiles;
    },
    panes: () => panesOf(manifest, state.values, width, height, dpr),
    frames: () => viewer.panes().map((pane) => ({ pane, covers: viewer.covers(pane) })),
    covers: (pane) =>
      shownChannels(manifest, state.values).map(({ layer: i, channel }) =>
        cover(manifest, i, channel, pane, state.values, tiles),
      ),
    addresses: () =>
      viewer.panes().flatMap((pane) =>
        shownChannels(manifest, state.values).flatMap(({ layer: i, channel }) => {
          const chosen = chooseLevel(manifest.layers[i], pane, state.get("held_mag"));
          return tilesOf(manifest, i, chosen, channel, pane, state.values);
        }),
      ),
    /** All that is in view arrives, but for what fails. */
    load: (failures = {}) => {
      const wanted = viewer.addresses().filter(({ key }) => !failures[key]);
      tiles = { ...holding(wanted, failures), retry: tiles.retry };
    },
    at: (x, y) => {
      const pane = viewer
        .panes()
        .find(({ rect: r }) => x >= r.x && x < r.x + r.w && y >= r.y && y < r.y + r.h);
      if (!pane) return null;
      const [u, v] = toVoxel(pane, x, y);
      return { pane, voxel: { ...state.get("voxel"), [pane.plane[0]]: u, [pane.plane[1]]: v } };
    },
    invalidate: () => viewer.drawn++,
    say: (text) => state.set({ message: text }),
  };
  return viewer;
}
