/**
 * The doors of the bundle: the widget that notebooks render (see anywidget), and a page without a
 * kernel.
 *
 * @typedef {import("./types.js").SharedState} SharedState
 */
import { keyOf, unpack } from "./geometry.js";
import { join } from "./links.js";
import { EmbeddedSource } from "./source/embedded.js";
import { KernelSource } from "./source/kernel.js";
import { Viewer } from "./viewer.js";

/** The state that Python shares; one trait each. @type {(keyof SharedState)[]} */
const SHARED = [
  "voxel",
  "center",
  "zoom",
  "layout",
  "plane",
  "slab",
  "channels",
  "labels",
  "held_mag",
  "shown_mag",
  "selection",
  "tool",
  "scalebar",
  "crosshair",
  "turn",
  "theme",
  "height",
];

/**
 * The trait that holds a part of the state: `layout` is taken, ipywidgets keeps CSS there.
 * @param {string} key
 */
const traitOf = (key) => (key === "layout" ? "_layout" : key);

/** A gesture is told to Python when it has ended, or this often while it lasts (milliseconds). */
const TELL = { after: 150, atLatest: 1000 };

/**
 * Keep the state of a view and the traits of its model the same.
 * @param {Viewer} viewer
 * @param {any} model
 */
function bind(viewer, model) {
  const { state } = viewer;
  /** @type {any} */
  let timer = null;
  let since = 0;
  /** What Python hasn't been told yet. @type {Set<string>} */
  const untold = new Set();
  const tell = () => {
    clearTimeout(timer);
    timer = null;
    untold.clear();
    model.save_changes();
  };
  const stop = state.on("*", (/** @type {(keyof SharedState)[]} */ changed, origin) => {
    if (origin === "model") return;
    const keys = changed.filter((key) => SHARED.includes(key));
    if (!keys.length) return;
    for (const key of keys) {
      untold.add(key);
      model.set(traitOf(key), state.get(key));
    }
    const now = Date.now();
    if (timer === null) since = now;
    clearTimeout(timer);
    timer = setTimeout(tell, Math.max(0, Math.min(TELL.after, since + TELL.atLatest - now)));
  });
  const heard = SHARED.map((key) => {
    const trait = traitOf(key);
    const listener = () => {
      // the kernel's echo of the last change must not undo the next one, which it hasn't heard of
      if (untold.has(key)) model.set(trait, state.get(key));
      else state.set({ [key]: model.get(trait) }, "model");
    };
    model.on(`change:${trait}`, listener);
    return () => model.off(`change:${trait}`, listener);
  });
  return () => {
    // the model keeps what Python wasn't told, for the next time; now there may be no kernel
    clearTimeout(timer);
    stop();
    for (const off of heard) off();
  };
}

/**
 * Tiles that came with the widget's state, so that there is something to see at once.
 * @param {any[]} given
 * @returns {import("./types.js").Tile[]}
 */
function first(given) {
  return given.map(({ request, data, ...meta }) => ({
    key: keyOf(request),
    request,
    ...unpack(meta, data ?? null),
  }));
}

/** @param {any} model */
async function wireOf(model) {
  const name = String(model.get("_wire") ?? "").replace("IPY_MODEL_", "");
  try {
    return (await model.widget_manager.get_model(name)) ?? model;
  } catch {
    // no manager of widgets here (marimo): tiles come over the widget's own line
    return model;
  }
}

/** @param {{model: any, el: HTMLElement}} given */
async function render({ model, el }) {
  const wire = await wireOf(model);
  const state = Object.fromEntries(SHARED.map((key) => [key, model.get(traitOf(key))]));
  const source = new KernelSource(wire, name(), {});
  const viewer = new Viewer(el, {
    manifest: model.get("_manifest"),
    state: /** @type {any} */ (state),
    source,
    first: first(model.get("_first")?.tiles ?? []),
  });
  const unbind = bind(viewer, model);
  const linked = join(viewer, () => model.get("_links") ?? []);
  model.on("change:_links", linked.update);
  return () => {
    model.off("change:_links", linked.update);
    linked.dispose();
    unbind();
    viewer.dispose();
  };
}

/** A name for a view, its own among those of this widget. */
function name() {
  return `${Date.now().toString(36)}${Math.floor(Math.random() * 2 ** 32).toString(36)}`;
}

/**
 * Show a page's own image, without a kernel.
 * @param {HTMLElement} element
 * @param {{manifest: any, state: any, tiles: any[]}} given
 */
export function mountPage(element, { manifest, state, tiles }) {
  return new Viewer(element, { manifest, state, source: new EmbeddedSource(tiles) });
}

export default { render };
