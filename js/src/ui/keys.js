/**
 * From key strokes to actions, and the list of both that people read.
 *
 * @typedef {import("./actions.js").Action} Action
 */
import { ACTIONS } from "./actions.js";

/** What keys are called where their own name says nothing. @type {Record<string, string>} */
const NAMES = { " ": "Space" };

/** @type {Map<string, [string, any]>} */
const BY_KEY = new Map(
  Object.entries(ACTIONS).flatMap(([name, { keys }]) =>
    Object.entries(keys).map(([key, argument]) => [key, [name, argument]]),
  ),
);

/**
 * The action that a key stroke stands for, with its argument.
 * @param {KeyboardEvent} event
 * @returns {[string, any] | null}
 */
export function actionOf(event) {
  // Ctrl and Alt together are how some keyboards write brackets
  const writes = event.getModifierState("AltGraph");
  if (event.isComposing || event.metaKey || (event.ctrlKey && !writes)) return null;
  const letter = event.key.length === 1;
  // where letters aren't Latin, or digits need Shift, the key's place counts
  const place = /^(?:Key|Digit)(.)$/.exec(event.code ?? "")?.[1];
  const placed = event.key > "\x7f" || (event.code?.startsWith("Digit") && !event.shiftKey);
  const base = letter ? (placed && place ? place : event.key.toUpperCase()) : event.key;
  const alt = event.altKey && !writes ? "Alt+" : "";
  // what Shift makes of a sign is a sign of its own
  const shift = event.shiftKey && (!letter || /[A-Z]/.test(base)) ? "Shift+" : "";
  return BY_KEY.get(alt + shift + base) ?? null;
}

/**
 * The keys of an action as people read them.
 * @param {Action} action
 * @returns {string}
 */
export function keysText({ keys, shown }) {
  return shown ?? Object.keys(keys).map((key) => NAMES[key] ?? key).join(", ");
}

/**
 * What one can do, and how: a row for each action.
 * @returns {{name: string, group: string, label: string, keys: string, mouse: string}[]}
 */
export function keyTable() {
  return Object.entries(ACTIONS)
    .filter(([, action]) => action.mouse || Object.keys(action.keys).length)
    .map(([name, action]) => ({
      name,
      group: action.group,
      label: action.label,
      keys: keysText(action),
      mouse: action.mouse ?? "",
    }));
}
