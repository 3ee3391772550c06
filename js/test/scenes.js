/** Scenes for the tests: seeded random pyramids, plain ones, and tiles of them. */
import { keyOf } from "../src/geometry.js";

/** A small generator of numbers from 0 to 1 (a linear congruential one), the same for each seed. */
export function random(seed) {
  let state = BigInt(seed) * 7919n + 1n;
  return () => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return Number(state >> 11n) / 2 ** 53;
  };
}

export function axis(name, size, display = 1, more = {}) {
  return {
    name,
    type: "space",
    unit: "",
    size,
    scale: 1,
    origin: 0,
    values: null,
    display,
    ...more,
  };
}

/** A level of the given factors; `shape` defaults to the image's divided, rounded up. */
export function level(axes, factor, { offset = {}, tile = 4, shape = {} } = {}) {
  const by = (fn) => Object.fromEntries(axes.map((a) => [a.name, fn(a)]));
  const sized = by((a) => shape[a.name] ?? Math.ceil(a.size / (factor[a.name] ?? 1)));
  return {
    mag: axes
      .map((a) => factor[a.name] ?? 1)
      .reverse()
      .join("-"),
    shape: sized,
    factor: by((a) => factor[a.name] ?? 1),
    offset: by((a) => offset[a.name] ?? ((factor[a.name] ?? 1) - 1) / 2),
    chunk: by(() => 4),
    tile: by((a) => Math.min(typeof tile === "number" ? tile : tile[a.name], sized[a.name])),
  };
}

export function layer(axes, levels, { kind = "intensity", dtype = "uint8", channels = 1 } = {}) {
  return {
    name: kind,
    kind,
    dtype,
    axes: axes.map((a) => a.name),
    channels: Array.from({ length: channels }, (_, i) => ({ label: `c${i}`, range: [0, 255] })),
    levels,
    colors: [],
  };
}

export function manifestOf(axes, layers) {
  const spatial = axes.filter((a) => a.type === "space").map((a) => a.name);
  const planes =
    spatial.length < 3
      ? [["x", "y"]]
      : [
          ["x", "y"],
          ["x", "z"],
          ["z", "y"],
        ];
  return { name: "test", axes, spatial, reference: "x", planes, layers };
}

export function stateOf(manifest, changes = {}) {
  const middle = (name) => {
    const { size } = manifest.axes.find((a) => a.name === name);
    return (size - 1) / 2;
  };
  const channels = manifest.layers
    .filter((l) => l.kind === "intensity")
    .flatMap((l) => l.channels.map(() => ({ visible: true, color: "#ffffff", window: [0, 1] })));
  return {
    voxel: Object.fromEntries(manifest.axes.map((a) => [a.name, Math.floor(a.size / 2)])),
    center: Object.fromEntries(manifest.spatial.map((name) => [name, middle(name)])),
    zoom: 1,
    layout: "plane",
    plane: ["x", "y"],
    slab: 1,
    channels,
    labels: manifest.layers.filter((l) => l.kind === "label").map(() => ({ visible: true })),
    held_mag: "",
    ...changes,
  };
}

/** A tile whose pixels tell their own row and column: 1000 * row + column. */
export function tileOf({ key, request }) {
  const shape = request.order.map((name) => request.box[name][1] - request.box[name][0]);
  const [rows, columns] = shape;
  const data = new Uint32Array(rows * columns);
  for (let i = 0; i < data.length; i++) {
    data[i] = 1000 * Math.floor(i / columns) + (i % columns);
  }
  return { key, request, shape, dtype: "uint32", data, constant: null };
}

/** Tiles by key, in place of a TileStore. */
export function holding(addresses, failures = {}) {
  const tiles = new Map(addresses.map((address) => [address.key, tileOf(address)]));
  return { get: (key) => tiles.get(key), failure: (key) => failures[key] ?? null };
}

/** A request of one row of pixels, told apart by `n`. */
export function address(n, bytes = 100) {
  const box = { y: [n, n + 1], x: [0, 9] };
  const request = { layer: 0, level: 0, channel: 0, box, order: ["y", "x"] };
  return { key: keyOf(request), request, bytes };
}
