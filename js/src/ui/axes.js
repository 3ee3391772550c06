/**
 * A slider for each axis that the picture doesn't show, with playback.
 *
 * @typedef {import("../types.js").Viewer} Viewer
 * @typedef {import("../types.js").Axis} Axis
 * @typedef {import("../types.js").State} State
 * @typedef {ReturnType<typeof import("./dom.js").listeners>} Listeners
 */
import { coordinateText, positionText } from "../geometry.js";
import { h, leaveOnEscape, listeners, put, slide, undo } from "./dom.js";

const RATES = [2, 5, 10, 20];

/** A wheel's notch, about, in pixels; trackpads send many small parts of it. */
const NOTCH = 50;

/**
 * Names of the axes that have a slider.
 * @param {import("../types.js").Manifest} manifest
 * @param {Pick<State, "layout" | "plane">} state
 * @returns {string[]}
 */
export function sliderAxes({ axes, spatial, planes }, { layout, plane }) {
  const flat = planes.length === 1 ? planes[0] : null;
  const within = flat ?? (layout === "plane" ? plane : layout === "volume" ? spatial : []);
  const shown = axes.filter(({ name, size }) => size > 1 && !within.includes(name));
  return shown.map(({ name }) => name);
}

/**
 * @param {Viewer} viewer
 * @param {HTMLElement} parent
 */
export function mountAxes(viewer, parent) {
  const { manifest, state } = viewer;
  const listen = listeners();
  const axes = manifest.axes.filter(({ size }) => size > 1);
  const rows = axes.map((axis) => row(viewer, axis, listen.on));
  const rate = rateSelect(state, listen);
  const element = h("div", { class: "nk-axes" }, ...rows.map((each) => each.element), rate);
  parent.append(element);

  const showAll = () => {
    const shown = sliderAxes(manifest, state.values);
    rows.forEach(({ element: line }, i) => (line.hidden = !shown.includes(axes[i].name)));
    element.hidden = !shown.length;
    element.toggleAttribute("data-compact", state.get("layout") === "ortho");
  };
  const update = () => rows.forEach((each) => each.show());
  for (const key of /** @type {const} */ (["layout", "plane"])) listen.also(state.on(key, showAll));
  for (const key of /** @type {const} */ (["voxel", "playing"])) listen.also(state.on(key, update));
  leaveOnEscape(element, viewer.canvas, listen.on);
  showAll();
  update();
  const dispose = () => {
    listen.stop();
    element.remove();
  };
  return { dispose };
}

/**
 * @param {Viewer["state"]} state
 * @param {Listeners} listen
 */
function rateSelect(state, { on, also }) {
  const options = RATES.map((rate) => h("option", { value: rate }, `${rate}/s`));
  const select = h(
    "select",
    { class: "nk-rate", "aria-label": "planes per second of playback", title: "Planes per second" },
    ...options,
  );
  const show = () => (select.value = String(state.get("rate")));
  on(select, "change", () => state.set({ rate: Number(select.value) }));
  also(state.on("rate", show));
  show();
  return select;
}

/**
 * @param {Viewer} viewer
 * @param {Axis} axis
 * @param {Listeners["on"]} on
 */
function row({ state }, axis, on) {
  const { name, size } = axis;
  const last = size - 1;
  const { play, slider, field, position, element } = controls(name, last);
  const move = (/** @type {number} */ to) =>
    state.set({
      voxel: { ...state.get("voxel"), [name]: Math.min(last, Math.max(0, Math.round(to))) },
    });

  on(slider, "input", () => move(slider.valueAsNumber));
  on(field, "change", () => {
    if (Number.isFinite(field.valueAsNumber)) move(field.valueAsNumber);
    undo(field);
  });
  on(play, "click", () => state.set({ playing: state.get("playing") === name ? null : name }));
  wheel(slider, (notches) => move(state.get("voxel")[name] + notches), on);

  const show = () => {
    const voxel = state.get("voxel")[name];
    slide(slider, voxel, positionText(axis, voxel));
    put(field, String(voxel));
    // without units and origin the position is the voxel, which is there already
    position.value = positionText(axis, voxel).includes("(") ? coordinateText(axis, voxel) : "";
    play.setAttribute("aria-pressed", String(state.get("playing") === name));
  };
  return { element, show };
}

/**
 * @param {string} name
 * @param {number} last
 */
function controls(name, last) {
  const play = h("button", {
    class: "nk-play",
    "data-axis": name,
    "aria-label": `play ${name}`,
    title: `Play ${name}`,
  });
  const slider = h("input", {
    type: "range",
    class: "nk-axis",
    "data-axis": name,
    max: last,
    "aria-label": `position along ${name}`,
  });
  const field = h("input", {
    type: "number",
    class: "nk-voxel",
    min: 0,
    max: last,
    step: 1,
    "aria-label": `voxel along ${name}, 0 to ${last}`,
    title: `0 to ${last}`,
  });
  const position = h("output", { class: "nk-number" });
  const label = h("span", { class: "nk-name", "aria-hidden": "true" }, name);
  const element = h("div", { class: "nk-row" }, play, label, slider, field, position);
  return { play, slider, field, position, element };
}

/**
 * The wheel moves a slider that has the focus; else it scrolls the page, as ever.
 * @param {HTMLInputElement} slider
 * @param {(notches: number) => void} move
 * @param {Listeners["on"]} on
 */
function wheel(slider, move, on) {
  let rest = 0;
  const turn = (/** @type {WheelEvent} */ event) => {
    if (event.ctrlKey || !slider.matches(":focus")) return;
    event.preventDefault();
    rest += event.deltaMode ? event.deltaY * NOTCH : event.deltaY;
    const notches = Math.trunc(rest / NOTCH);
    rest -= notches * NOTCH;
    if (notches) move(notches);
  };
  on(slider, "wheel", turn, { passive: false });
}
