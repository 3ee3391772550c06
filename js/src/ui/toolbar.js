/**
 * The row of buttons above the canvas.
 *
 * @typedef {import("../types.js").Viewer} Viewer
 * @typedef {import("../types.js").State} State
 *
 * @typedef {object} Button
 * @property {string} name   the action
 * @property {any} [argument]
 * @property {string} label
 * @property {string} picture   path of an icon on 16 x 16, or text
 * @property {(state: State) => boolean} [pressed]
 */
import { ACTIONS } from "./actions.js";
import { h, leaveOnEscape, listeners } from "./dom.js";
import { keysText } from "./keys.js";

/** Icons as lines on 16 x 16. */
const ICONS = {
  plane: "M3 3h10v10H3z",
  ortho: "M2.5 2.5h11v11h-11zM8 2.5v11M2.5 8h11",
  volume: "M8 1.8 13.5 5v6L8 14.2 2.5 11V5zM2.5 5 8 8.2 13.5 5M8 8.2v6",
  pan: "M3 2l9.5 5.5-4.3 1-2 4.3z",
  box: "M4 4h8v8H4zM2.5 2.5h3v3h-3zM10.5 10.5h3v3h-3z",
  points: "M5 3v5M2.5 5.5h5M11 8.5v5M8.5 11h5",
  line: "M3 13 13 3M1.5 11.5l3 3M11.5 1.5l3 3",
  fit: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  scalebar: "M2 10.5v-3M14 10.5v-3M2 9h12",
  crosshair: "M8 1.5v4.5M8 10v4.5M1.5 8H6M10 8h4.5",
  screenshot: "M2 5h3l1-1.7h4L11 5h3v8H2zM8 6.7a2.2 2.2 0 1 0 .01 0z",
  panel: "M2 3h12v10H2zM10 3v10",
  help: "M5.5 6a2.5 2.5 0 1 1 3.6 2.2C8.3 8.7 8 9 8 10M8 12.4v.3",
};

/** @param {import("../types.js").Manifest} manifest @returns {Button[][]} in groups */
function buttons({ planes }) {
  const several = planes.length > 1;
  /** @type {Button[]} */
  const layouts = /** @type {const} */ ([
    ["plane", "One plane"],
    ["ortho", "Three planes and the volume"],
    ["volume", "Volume"],
  ]).map(([layout, label]) => ({
    name: "layout",
    argument: layout,
    label,
    picture: ICONS[layout],
    pressed: (state) => state.layout === layout,
  }));
  /** @type {Button[]} */
  const views = planes.map((plane) => ({
    name: "plane",
    argument: plane,
    label: `Plane ${plane.join("")}`,
    picture: plane.join(""),
    pressed: (state) => state.plane.join() === plane.join(),
  }));
  /** @type {Button[]} */
  const tools = /** @type {const} */ (["pan", "box", "points", "line"]).map((tool) => ({
    name: `tool-${tool}`,
    label: ACTIONS[`tool-${tool}`].label,
    picture: ICONS[tool],
    pressed: (state) => state.tool === tool,
  }));
  /** @type {Button[]} */
  const rest = /** @type {const} */ ([
    "fit",
    "scalebar",
    "crosshair",
    "screenshot",
    "panel",
    "help",
  ]).map((name) => ({
    name,
    label: ACTIONS[name].label,
    picture: ICONS[name],
    pressed: name === "fit" || name === "screenshot" ? undefined : (state) => state[name],
  }));
  return [...(several ? [layouts, views] : []), tools, rest];
}

/**
 * Put the toolbar into an element.
 * @param {Viewer} viewer
 * @param {HTMLElement} parent
 * @returns {{dispose: () => void}}
 */
export function mountToolbar(viewer, parent) {
  const { state } = viewer;
  const { on, also, stop } = listeners();
  const groups = buttons(viewer.manifest);
  const made = groups.map((group) => group.map((button) => ({ ...button, element: make(button) })));
  const bar = h(
    "div",
    { class: "nk-toolbar", role: "toolbar", "aria-label": "View and tools" },
    ...made.map((group) =>
      h(
        "span",
        { role: "group" },
        ...group.map((button) => button.element),
      ),
    ),
  );
  const all = made.flat();
  const update = () => {
    const values = state.values;
    for (const { element, pressed, name } of all) {
      if (pressed) element.setAttribute("aria-pressed", String(pressed(values)));
      // planes are chosen where one is shown
      if (name === "plane") element.hidden = values.layout !== "plane";
    }
  };
  for (const { element, name, argument } of all) {
    on(element, "click", (event) => {
      viewer.act(name, argument);
      // after a click the keys are to work; who came with Tab stays
      if (event.detail && name !== "help") viewer.canvas.focus({ preventScroll: true });
    });
  }
  leaveOnEscape(bar, viewer.canvas, on);
  rove(bar, all.map((button) => button.element), on);
  also(state.on("*", update));
  also(() => bar.remove());
  update();
  parent.append(bar);
  return { dispose: stop };
}

/** @param {Button} button @returns {HTMLButtonElement} */
function make({ name, argument, label, picture }) {
  const key = keysText(ACTIONS[name]);
  return h(
    "button",
    {
      type: "button",
      "data-action": name,
      "data-argument": argument && String(argument).replace(",", ""),
      "aria-label": label,
      title: `${label} (${key})`,
    },
    /^M/.test(picture) ? icon(picture) : picture,
  );
}

/** @param {string} path */
function icon(path) {
  const svg = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(svg, "svg");
  const line = document.createElementNS(svg, "path");
  for (const [name, value] of Object.entries({
    viewBox: "0 0 16 16",
    fill: "none",
    stroke: "currentColor",
    "stroke-width": "1.4",
    "stroke-linejoin": "round",
    "stroke-linecap": "round",
    "aria-hidden": "true",
  })) {
    picture.setAttribute(name, value);
  }
  line.setAttribute("d", path);
  picture.append(line);
  return picture;
}

/**
 * One stop of Tab for all buttons; arrows go from one to the next.
 * @param {HTMLElement} bar
 * @param {HTMLElement[]} elements
 * @param {ReturnType<typeof listeners>["on"]} on
 */
function rove(bar, elements, on) {
  const stopAt = (/** @type {HTMLElement} */ chosen) => {
    for (const element of elements) element.tabIndex = element === chosen ? 0 : -1;
  };
  stopAt(elements[0]);
  on(bar, "focusin", (event) => stopAt(event.target));
  on(bar, "keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[String(event.key)];
    const seen = elements.filter((element) => !element.hidden);
    const at = seen.indexOf(event.target);
    if (!by || at < 0) return;
    event.preventDefault();
    event.stopPropagation();
    seen[(at + by + seen.length) % seen.length].focus();
  });
}
