/**
 * How each label image is shown, and which of its ids are selected.
 *
 * @typedef {import("../types.js").Viewer} Viewer
 * @typedef {import("../types.js").LabelState} LabelState
 * @typedef {import("../types.js").Layer} Layer
 * @typedef {ReturnType<typeof import("./dom.js").listeners>} Listeners
 */
import { h, slide } from "./dom.js";

/** 2**64 divided by the golden ratio, and what a seed is multiplied with. */
const GOLDEN = 0x9e3779b97f4a7c15n;
const SEED = 0xd1342543de82ef95n;

/** Labels are no darker than this. */
const DARKEST = 0.42;

/** So many selected ids are listed; more are counted. */
const LISTED = 40;

/**
 * Colour of a label, 0 to 255: exactly that of `ngffkit.plots.compose.label_colors`.
 * @param {bigint} id
 * @param {number} [seed] others than 0 give other colours
 * @param {Map<string, [number, number, number, number]>} [given] chosen colours, by decimal id
 * @returns {[number, number, number, number]}
 */
export function labelColor(id, seed = 0, given) {
  if (id === 0n) return [0, 0, 0, 0];
  const chosen = given?.get(String(id));
  if (chosen) return chosen;
  const key = BigInt.asUintN(64, id ^ (BigInt(seed) * SEED));
  const hue = Number(BigInt.asUintN(64, key * GOLDEN)) / 2 ** 64;
  let mixed = BigInt.asUintN(64, key + GOLDEN);
  mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n);
  mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn);
  mixed ^= mixed >> 31n;
  const strength = 0.55 + 0.4 * (Number(mixed & 255n) / 255);
  const bright = 0.8 + 0.2 * (Number((mixed >> 8n) & 255n) / 255);
  const [r, g, b] = rgb(hue, strength, bright);
  const luma = 0.299 * r + 0.587 * g + 0.114 * b;
  const white = Math.max(0, (DARKEST - luma) / (1 - luma));
  const byte = (/** @type {number} */ part) => halfToEven(255 * (part + (1 - part) * white));
  return [byte(r), byte(g), byte(b), 255];
}

/** As Python rounds. @param {number} value */
function halfToEven(value) {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}

/**
 * @param {number} hue
 * @param {number} strength
 * @param {number} bright
 * @returns {[number, number, number]}
 */
function rgb(hue, strength, bright) {
  const sector = Math.floor(hue * 6);
  const part = hue * 6 - sector;
  const p = bright * (1 - strength);
  const q = bright * (1 - strength * part);
  const t = bright * (1 - strength * (1 - part));
  /** @type {[number, number, number][]} */
  const sectors = [
    [bright, t, p],
    [q, bright, p],
    [p, bright, t],
    [p, q, bright],
    [t, p, bright],
    [bright, p, q],
  ];
  return sectors[sector % 6];
}

/**
 * Read ids that someone typed.
 * @param {string} text e.g. "12, 57"
 * @returns {string[]} without what is twice
 * @throws {Error} when something is no label id
 */
export function parseIds(text) {
  const words = text.split(/[\s,;]+/).filter(Boolean);
  const ids = words.map((word) => {
    const id = /^-?\d{1,20}$/.test(word) ? BigInt(word) : 0n;
    if (id === 0n || id < -(2n ** 63n) || id >= 2n ** 64n) {
      throw new Error(`"${word}" is no label id; write whole numbers but 0, such as 12, 57`);
    }
    return String(id);
  });
  return [...new Set(ids)];
}

/**
 * @param {Viewer} viewer
 * @param {HTMLElement} parent
 * @param {Listeners} listen
 */
export function mountLabels(viewer, parent, listen) {
  const layers = viewer.manifest.layers.filter((layer) => layer.kind === "label");
  const rows = layers.map((layer, index) => row(viewer, layer, index, listen));
  parent.append(...rows.map(({ element }) => element));
  const show = () => rows.forEach((each) => each.show());
  listen.also(viewer.state.on("labels", show));
  show();
}

/**
 * @param {Viewer} viewer
 * @param {Layer} layer
 * @param {number} index
 * @param {Listeners} listen
 */
function row(viewer, layer, index, listen) {
  const { state } = viewer;
  const own = () => state.get("labels")[index];
  const change = (/** @type {Partial<LabelState>} */ changes) =>
    state.set({
      labels: state.get("labels").map((each, i) => (i === index ? { ...each, ...changes } : each)),
    });
  const parts = controls(layer.name);
  const given = new Map(layer.colors);
  const element = assemble(layer.name, index, parts);
  wire(viewer, parts, { own, change, on: listen.on });

  function show() {
    const { visible, opacity, outline, seed, selected } = own();
    element.toggleAttribute("data-off", !visible);
    parts.visible.checked = visible;
    const percent = `${Math.round(opacity * 100)} %`;
    slide(parts.opacity, opacity, percent);
    parts.opacityText.value = percent;
    const width = outline ? `${outline} px` : "filled";
    slide(parts.outline, outline, width);
    parts.outlineText.value = width;
    parts.clear.hidden = !selected.length;
    const more = selected.length - LISTED;
    parts.chips.replaceChildren(
      ...selected.slice(0, LISTED).map((id) => chip(id, labelColor(BigInt(id), seed, given))),
      ...(more > 0 ? [h("span", { class: "nk-muted" }, `and ${more} more`)] : []),
    );
  }
  return { element, show };
}

/**
 * @param {string} id
 * @param {number[]} color
 */
function chip(id, [r, g, b]) {
  const label = `remove ${id} from the selection`;
  const attributes = { class: "nk-chip", "data-id": id, "aria-label": label, title: label };
  const button = h("button", attributes, id);
  button.style.setProperty("--nk-c", `rgb(${r} ${g} ${b})`);
  return button;
}

/** @param {string} name */
function controls(name) {
  /** @param {string} kind @param {number} max @param {number} step */
  const range = (kind, max, step) =>
    h("input", {
      type: "range",
      class: `nk-${kind}`,
      min: 0,
      max,
      step,
      "aria-label": `${kind} of ${name}`,
    });
  return {
    visible: h("input", { type: "checkbox", class: "nk-visible", "aria-label": `show ${name}` }),
    recolour: h(
      "button",
      { class: "nk-recolour", "aria-label": `recolour ${name}`, title: "Other colours (Shift+L)" },
      "Recolour",
    ),
    opacity: range("opacity", 1, 0.05),
    opacityText: h("output", { class: "nk-number" }),
    outline: range("outline", 5, 1),
    outlineText: h("output", { class: "nk-number" }),
    ids: h("input", {
      type: "text",
      class: "nk-ids",
      inputmode: "numeric",
      placeholder: "Select ids: 12, 57",
      "aria-label": `ids of ${name} to select, then Enter`,
      autocomplete: "off",
      spellcheck: "false",
    }),
    clear: h("button", { class: "nk-clear", "aria-label": `deselect all of ${name}` }, "Clear"),
    chips: h("div", { class: "nk-chips", role: "group", "aria-label": `selected ids of ${name}` }),
  };
}

/**
 * @param {string} name
 * @param {number} index
 * @param {ReturnType<typeof controls>} parts
 */
function assemble(name, index, parts) {
  const line = (/** @type {(Node | string)[]} */ ...children) =>
    h("div", { class: "nk-line" }, ...children);
  const word = (/** @type {string} */ text) =>
    h("span", { class: "nk-word", "aria-hidden": "true" }, text);
  return h(
    "div",
    { class: "nk-labels", "data-index": index, role: "group", "aria-label": name },
    line(parts.visible, h("span", { class: "nk-name", title: name }, name), parts.recolour),
    h(
      "div",
      { class: "nk-body" },
      line(word("Opacity"), parts.opacity, parts.opacityText),
      line(word("Outline"), parts.outline, parts.outlineText),
      line(parts.ids, parts.clear),
      parts.chips,
    ),
  );
}

/**
 * @param {Viewer} viewer
 * @param {ReturnType<typeof controls>} parts
 * @param {{own: () => LabelState, change: (changes: Partial<LabelState>) => void,
 *   on: Listeners["on"]}} to
 */
function wire(viewer, parts, { own, change, on }) {
  const { visible, recolour, opacity, outline, ids, clear, chips } = parts;
  on(visible, "click", () => change({ visible: visible.checked }));
  on(recolour, "click", () => change({ seed: own().seed + 1 }));
  on(opacity, "input", () => change({ opacity: Number(opacity.value) }));
  on(outline, "input", () => change({ outline: Number(outline.value) }));
  on(ids, "change", () => {
    try {
      change({ selected: [...new Set([...own().selected, ...parseIds(ids.value)])] });
      ids.value = "";
    } catch (error) {
      viewer.say(/** @type {Error} */ (error).message);
    }
  });
  on(clear, "click", () => {
    change({ selected: [] });
    ids.focus();
  });
  on(chips, "click", ({ target }) => {
    const { id } = target.dataset;
    if (!id) return;
    change({ selected: own().selected.filter((each) => each !== id) });
    (chips.querySelector("button") ?? ids).focus(); // the chip that had the focus is gone
  });
}
