/**
 * Panes that have nothing yet of what they should show keep what they show, for a moment: else each
 * step to a plane that isn't here would flash.
 *
 * @typedef {import("./types.js").PaneFrame} PaneFrame
 */
import { same } from "./state.js";

/** Milliseconds that a pane is kept at most. */
const KEPT = 150;

export class Keeping {
  /** @param {() => void} over called when panes have been kept long enough */
  constructor(over) {
    this.over = over;
    /** @type {any} runs while panes are kept, and after that until there is something to show */
    this.timer = null;
    this.ended = false;
  }

  /**
   * @param {PaneFrame[]} before what is on the screen
   * @param {PaneFrame[]} now what there is to show
   * @param {boolean} loading whether more is to come
   * @returns {{shown: PaneFrame[], all: boolean}} what to show; whether that is what was there
   */
  apply(before, now, loading) {
    const keep = now.map((frame, i) => {
      const empty = !frame.covers.some(({ quads, failed }) => quads.length || failed.length);
      const full = before[i]?.covers.some(({ quads }) => quads.length) ?? false;
      return loading && empty && full && same(before[i].pane, frame.pane);
    });
    if (!keep.includes(true)) {
      clearTimeout(this.timer);
      this.timer = null;
      this.ended = false;
    } else {
      this.timer ??= setTimeout(() => {
        this.ended = true;
        this.over();
      }, KEPT);
    }
    if (!keep.includes(true) || this.ended) return { shown: now, all: false };
    return { shown: now.map((frame, i) => (keep[i] ? before[i] : frame)), all: !keep.includes(false) };
  }
}
