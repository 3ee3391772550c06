/**
 * An observable record: the state of a view, and who wants to know of its changes.
 *
 * @typedef {import("./types.js").State} State
 */

/**
 * @template {object} T
 */
export class Store {
  /** @param {T} initial */
  constructor(initial) {
    /** @type {T} */
    this.values = { ...initial };
    /** @type {Map<string, Set<(value: any, origin: any) => void>>} */
    this.listeners = new Map();
  }

  /**
   * @template {keyof T & string} K
   * @param {K} key
   * @returns {T[K]}
   */
  get(key) {
    return this.values[key];
  }

  /**
   * Replace values and tell whoever listens, after all of them are replaced. Equal ones are no change.
   * @param {Partial<T>} changes
   * @param {any} [origin] who says so, passed on to listeners
   */
  set(changes, origin = null) {
    const changed = [];
    for (const [key, value] of Object.entries(changes)) {
      const before = this.values[/** @type {keyof T} */ (key)];
      if (before === value || same(before, value)) continue;
      this.values[/** @type {keyof T} */ (key)] = /** @type {any} */ (value);
      changed.push(key);
    }
    for (const key of changed) this.tell(key, origin);
    if (changed.length) this.tell("*", origin, changed);
  }

  /**
   * Listen to a key, or to "*": called once for each `set`, with the names of what changed.
   * @param {(keyof T & string) | "*"} key
   * @param {(value: any, origin: any) => void} listener
   * @returns {() => void} stops listening
   */
  on(key, listener) {
    const known = this.listeners.get(key) ?? new Set();
    this.listeners.set(key, known.add(listener));
    return () => known.delete(listener);
  }

  /** @param {string} key @param {any} origin @param {string[]} [changed] */
  tell(key, origin, changed) {
    const value = changed ?? this.values[/** @type {keyof T} */ (key)];
    for (const listener of [...(this.listeners.get(key) ?? [])]) listener(value, origin);
  }
}

/**
 * Tell whether two values of the state are equal: numbers, texts, plain lists and objects of them.
 * @param {any} a
 * @param {any} b
 * @returns {boolean}
 */
export function same(a, b) {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) {
    return typeof a === "number" && typeof b === "number" && Number.isNaN(a) && Number.isNaN(b);
  }
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]))
  );
}
