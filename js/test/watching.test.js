import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { watchCard, watchSize } from "../src/watching.js";

/** A viewer as far as these watch it. */
function watched(status = "ok") {
  const viewer = {
    canvas: new EventTarget(),
    closing: new AbortController(),
    state: { get: () => status },
    fallen: 0,
    fallBack: () => viewer.fallen++,
  };
  return viewer;
}

beforeEach(() => mock.timers.enable({ apis: ["setTimeout"] }));
afterEach(() => mock.timers.reset());

const tell = (target, type) => target.dispatchEvent(new Event(type));

test("a view whose graphics card doesn't come back does without", () => {
  const viewer = watched();
  watchCard(viewer);
  tell(viewer.canvas, "webglcontextlost");
  mock.timers.tick(1000);
  tell(viewer.canvas, "webglcontextrestored");
  mock.timers.tick(10_000);
  assert.equal(viewer.fallen, 0);
  tell(viewer.canvas, "webglcontextlost");
  mock.timers.tick(10_000);
  assert.equal(viewer.fallen, 1);
});

test("a view without a kernel waits for its card, one that is closed for nothing", () => {
  const page = watched("static");
  watchCard(page);
  tell(page.canvas, "webglcontextlost");
  const closed = watched();
  watchCard(closed);
  tell(closed.canvas, "webglcontextlost");
  closed.closing.abort();
  mock.timers.tick(10_000);
  assert.deepEqual([page.fallen, closed.fallen], [0, 0]);
});

test("a canvas that was replaced tells nothing any more", () => {
  const viewer = watched();
  watchCard(viewer);
  const old = viewer.canvas;
  viewer.canvas = new EventTarget();
  tell(old, "webglcontextlost");
  mock.timers.tick(10_000);
  assert.equal(viewer.fallen, 0);
});

test("where pixels of the screen can't be observed, those of the page are", () => {
  const asked = [];
  globalThis.ResizeObserver = class {
    observe(_, options) {
      asked.push(options?.box ?? "content-box");
      if (options?.box) throw new TypeError("no such box");
    }
  };
  watchSize({}, () => {});
  assert.deepEqual(asked, ["device-pixel-content-box", "content-box"]);
  delete globalThis.ResizeObserver;
});
