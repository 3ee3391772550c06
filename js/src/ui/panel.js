/**
 * What is beside the canvas: channels, labels, and how planes are made of the image.
 *
 * @typedef {import("../types.js").Viewer} Viewer
 * @typedef {ReturnType<typeof import("./dom.js").listeners>} Listeners
 */
import { axisOf, lengthText } from "../geometry.js";
import { mountChannels } from "./channels.js";
import { h, leaveOnEscape, listeners, slide } from "./dom.js";
import { mountLabels } from "./labels.js";

/** Planes in a slab at most, by the slider. */
const THICKEST = 100;

/**
 * @param {Viewer} viewer
 * @param {HTMLElement} parent
 */
export function mountPanel(viewer, parent) {
  const { manifest, state } = viewer;
  const listen = listeners();
  const element = h("aside", { class: "nk-panel", "aria-label": "channels and labels" });
  parent.append(element);
  const section = (/** @type {string} */ title) => {
    const part = h("section", {}, h("h3", {}, title));
    element.append(part);
    return part;
  };
  const has = (/** @type {string} */ kind) => manifest.layers.some((layer) => layer.kind === kind);
  if (has("intensity")) mountChannels(viewer, section("Channels"), listen);
  if (has("label")) mountLabels(viewer, section("Labels"), listen);
  const lines = [slabLine(viewer, listen), magLine(viewer, listen)].filter((line) => line !== null);
  if (lines.length) section("View").append(...lines);

  const show = () => {
    parent.hidden = !state.get("panel");
  };
  listen.also(state.on("panel", show));
  leaveOnEscape(element, viewer.canvas, listen.on);
  show();
  const dispose = () => {
    listen.stop();
    element.remove();
  };
  return { dispose };
}

/**
 * How thick the slab is; nothing where no axis is across the plane.
 * @param {Viewer} viewer
 * @param {Listeners} listen
 */
function slabLine({ manifest, state }, { on, also }) {
  const sizes = manifest.spatial.map((name) => axisOf(manifest, name).size);
  const thickest = Math.min(THICKEST, Math.max(...sizes));
  // labels are never projected
  const images = manifest.layers.some(({ kind }) => kind === "intensity");
  if (sizes.length < 3 || !images || thickest < 2) return null;
  const input = h("input", {
    type: "range",
    class: "nk-slab",
    min: 1,
    max: thickest,
    "aria-label": "thickness of the slab that is projected, in voxels",
    title: "Maximum over so many planes",
  });
  const output = h("output", { class: "nk-number" });
  const show = () => {
    const slab = state.get("slab");
    const normals = manifest.spatial.filter((name) => !state.get("plane").includes(name));
    const axis = axisOf(manifest, normals[normals.length - 1]);
    const known = state.get("layout") === "plane" && axis.unit;
    const length = known && slab > 1 ? ` (${lengthText(slab * axis.scale, axis.unit)})` : "";
    const text = `${slab} px${length}`;
    slide(input, slab, text);
    output.value = text;
  };
  on(input, "input", () => state.set({ slab: input.valueAsNumber }));
  for (const key of /** @type {const} */ (["slab", "layout", "plane"])) also(state.on(key, show));
  show();
  return line("Slab", input, output);
}

/**
 * Which mag is shown: what suits the zoom, or one that is held.
 * @param {Viewer} viewer
 * @param {Listeners} listen
 */
function magLine({ manifest, state }, { on, also }) {
  const mags = [...new Set(manifest.layers.flatMap(({ levels }) => levels.map(({ mag }) => mag)))];
  if (mags.length < 2) return null;
  const auto = h("option", { value: "" });
  const select = h(
    "select",
    { class: "nk-held", "aria-label": "mag that is shown" },
    auto,
    ...mags.map((mag) => h("option", { value: mag }, mag)),
  );
  const show = () => {
    const [held, shown] = [state.get("held_mag"), state.get("shown_mag")];
    auto.textContent = held || !shown ? "automatic" : `automatic: ${shown}`;
    select.value = held;
  };
  on(select, "change", () => state.set({ held_mag: select.value }));
  for (const key of /** @type {const} */ (["held_mag", "shown_mag"])) also(state.on(key, show));
  show();
  return line("Mag", select);
}

/**
 * @param {string} word
 * @param {...HTMLElement} controls
 */
function line(word, ...controls) {
  const label = h("span", { class: "nk-word", "aria-hidden": "true" }, word);
  return h("div", { class: "nk-line" }, label, ...controls);
}
