/** The little help that plain DOM needs. */

const FOCUSABLE = new Set(["button", "input", "select"]);

/**
 * Make an element. Attributes that are null or false are left out, true ones are empty.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number | boolean | null | undefined>} [attributes]
 * @param {...(Node | string | null | undefined)} children null ones are left out
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  // else JupyterLab takes letters and digits that are typed here for its own commands
  if (FOCUSABLE.has(tag)) element.setAttribute("data-lm-suppress-shortcuts", "true");
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) if (child !== null && child !== undefined) element.append(child);
  return element;
}

/**
 * Listeners that go together, and whatever else is to end with them.
 * @returns {{
 *   on: (target: EventTarget, type: string, run: (event: any) => void, options?: object) => void,
 *   also: (stop: () => void) => void,
 *   stop: () => void,
 * }}
 */
export function listeners() {
  const control = new AbortController();
  const { signal } = control;
  return {
    on: (target, type, run, options) =>
      target.addEventListener(type, run, { ...options, signal }),
    also: (stop) => signal.addEventListener("abort", () => stop(), { once: true }),
    stop: () => control.abort(),
  };
}

/**
 * Show a value in a slider: its place, how far it is filled, what a screen reader says.
 * @param {HTMLInputElement} input
 * @param {number} value
 * @param {string} text
 */
export function slide(input, value, text) {
  input.value = String(value);
  const [from, to] = [Number(input.min), Number(input.max)];
  const part = to > from ? (Number(input.value) - from) / (to - from) : 0;
  input.style.setProperty("--nk-fill", String(part));
  input.setAttribute("aria-valuetext", text);
}

/**
 * Show a value in a field, unless someone is typing there; `undo` brings it back then.
 * @param {HTMLInputElement} input
 * @param {string} text
 */
export function put(input, text) {
  input.defaultValue = text;
  if (!input.matches(":focus")) undo(input);
}

/** @param {HTMLInputElement} input */
export function undo(input) {
  input.value = input.defaultValue;
}

/**
 * Let Escape leave a control for the canvas; what was typed and not confirmed is forgotten.
 * @param {HTMLElement} controls
 * @param {HTMLElement} canvas
 * @param {ReturnType<typeof listeners>["on"]} on
 */
export function leaveOnEscape(controls, canvas, on) {
  on(controls, "keydown", (event) => {
    if (event.key !== "Escape") return;
    const { target } = event;
    if (target instanceof HTMLInputElement && /number|text/.test(target.type)) undo(target);
    event.stopPropagation();
    canvas.focus();
  });
}
