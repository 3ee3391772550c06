/**
 * Views that move together. Their Python sides are linked too; this is the short way, within the
 * page, so that dragging one moves the other at once.
 *
 * @typedef {import("./viewer.js").Viewer} Viewer
 * @typedef {{group: string, what: string[]}} Link
 */
import { coordinate } from "./geometry.js";

/**
 * Each widget may have got its own copy of this module, so what they share hangs on the page.
 * @returns {Map<string, Set<Viewer>>}
 */
function registry() {
  const page = /** @type {any} */ (globalThis);
  return (page[Symbol.for("ngffkit.links")] ??= new Map());
}

/** State that each thing to link consists of. */
const KEYS = /** @type {const} */ ({
  position: ["voxel"],
  center: ["center"],
  zoom: ["zoom"],
  window: ["channels"],
  selection: ["selection"],
});

/**
 * @param {Viewer} viewer
 * @param {() => Link[]} links the links it is part of now
 * @returns {{update: () => void, dispose: () => void}}
 */
export function join(viewer, links) {
  /** @type {Set<string>} */
  let groups = new Set();
  const update = () => {
    const wanted = new Set(links().map((link) => link.group));
    for (const group of groups) if (!wanted.has(group)) registry().get(group)?.delete(viewer);
    for (const group of wanted) {
      registry().set(group, (registry().get(group) ?? new Set()).add(viewer));
    }
    groups = wanted;
  };
  const stop = viewer.state.on("*", (changed, origin) => {
    // what came over a link or from Python has been told to the others by whoever sent it
    if (origin === "link" || origin === "model") return;
    for (const { group, what } of links()) {
      const keys = what.filter((name) =>
        KEYS[/** @type {keyof typeof KEYS} */ (name)]?.some((key) => changed.includes(key)),
      );
      for (const other of keys.length ? (registry().get(group) ?? []) : []) {
        if (other !== viewer) other.state.set(moved(viewer, other, keys), "link");
      }
    }
  });
  update();
  return {
    update,
    dispose() {
      stop();
      for (const group of groups) registry().get(group)?.delete(viewer);
    },
  };
}

/**
 * The state of one view in terms of another: the same places, in units.
 * @param {Viewer} from
 * @param {Viewer} to
 * @param {string[]} what
 */
function moved(from, to, what) {
  /** @type {Partial<import("./types.js").State>} */
  const out = {};
  const { values } = from.state;
  if (what.includes("position")) out.voxel = places(from, to, values.voxel, to.state.get("voxel"), true);
  if (what.includes("center")) out.center = places(from, to, values.center, to.state.get("center"), false);
  if (what.includes("zoom")) out.zoom = (values.zoom * perVoxel(to)) / perVoxel(from);
  if (what.includes("window")) {
    const own = names(from);
    out.channels = to.state.get("channels").map((channel, i) => {
      const other = values.channels[own.indexOf(names(to)[i])];
      return other ? { ...channel, window: other.window } : channel;
    });
  }
  if (what.includes("selection")) out.selection = drawn(from, to, values.selection);
  return out;
}

/**
 * @param {Viewer} from
 * @param {Viewer} to
 * @param {Record<string, number>} place
 * @param {Record<string, number>} before what `to` keeps where axes aren't the same
 * @param {boolean} whole whether the result are pixels of the image
 */
function places(from, to, place, before, whole) {
  const out = { ...before };
  for (const axis of to.manifest.axes) {
    const own = from.manifest.axes.find((a) => a.name === axis.name && a.unit === axis.unit);
    if (!own || !(axis.name in place) || !(axis.name in before)) continue;
    const voxel = (coordinate(own, place[axis.name]) - axis.origin) / axis.scale;
    out[axis.name] = whole ? Math.min(Math.max(Math.round(voxel), 0), axis.size - 1) : voxel;
  }
  return out;
}

/** @param {Viewer} viewer @returns {string[]} of the channels, in the order of the state */
function names({ manifest }) {
  return manifest.layers
    .filter(({ kind }) => kind === "intensity")
    .flatMap(({ channels }) => channels.map(({ label }) => label));
}

/** @param {Viewer} viewer */
function perVoxel(viewer) {
  const { axes, reference } = viewer.manifest;
  return axes.find((axis) => axis.name === reference)?.display ?? 1;
}

/**
 * @param {Viewer} from
 * @param {Viewer} to
 * @param {any} selection
 * @returns {import("./types.js").Selection}
 */
function drawn(from, to, selection) {
  const all = to.state.get("voxel");
  if (selection.kind === "box") {
    const edge = (/** @type {Record<string, number>} */ corner) => {
      const shifted = Object.fromEntries(Object.entries(corner).map(([k, v]) => [k, v - 0.5]));
      const moved = places(from, to, shifted, Object.fromEntries(Object.keys(corner).map((k) => [k, 0])), false);
      return Object.fromEntries(Object.entries(moved).map(([k, v]) => [k, Math.round(v + 0.5)]));
    };
    return { kind: "box", lo: edge(selection.lo), hi: edge(selection.hi) };
  }
  if (!selection.kind) return {};
  const points = selection.points.map((/** @type {Record<string, number>} */ p) => places(from, to, p, all, true));
  return { kind: selection.kind, points };
}
