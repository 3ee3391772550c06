import assert from "node:assert/strict";
import { test } from "node:test";

import { Keeping } from "../src/keeping.js";

const pane = { index: 0, plane: ["x", "y"], corner: [0, 0], scale: [1, 1] };
const frame = (quads, changes = {}) => ({
  pane: { ...pane, ...changes },
  covers: [{ layer: 0, channel: 0, quads, holes: [], failed: [] }],
});

test("a pane with nothing to show yet keeps what it shows, while more is to come", () => {
  const [full, empty] = [frame(["a"]), frame([])];
  const keeping = new Keeping(() => {});
  assert.deepEqual(keeping.apply([full], [empty], true), { shown: [full], all: true });
  assert.deepEqual(new Keeping(() => {}).apply([full], [empty], false).shown, [empty]);
  const partly = frame(["b"]);
  assert.deepEqual(keeping.apply([full], [partly], true), { shown: [partly], all: false });
});

test("a pane that moved or shows an error isn't kept", () => {
  const full = frame(["a"]);
  const moved = frame([], { corner: [1, 0] });
  assert.deepEqual(new Keeping(() => {}).apply([full], [moved], true).shown, [moved]);
  const failed = frame([]);
  failed.covers[0].failed.push({ cause: "broken" });
  assert.deepEqual(new Keeping(() => {}).apply([full], [failed], true).shown, [failed]);
});

test("what is kept goes after a moment", async () => {
  const [full, empty] = [frame(["a"]), frame([])];
  const over = await new Promise((resolve) => {
    const keeping = new Keeping(() => resolve(keeping.apply([full], [empty], true)));
    keeping.apply([full], [empty], true);
  });
  assert.deepEqual(over.shown, [empty]);
});

test("panes are kept one by one", () => {
  const [a, b, empty] = [frame(["a"]), frame(["b"]), frame([])];
  const kept = new Keeping(() => {}).apply([a, a], [empty, b], true);
  assert.deepEqual(kept, { shown: [a, b], all: false });
});
