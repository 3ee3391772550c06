import assert from "node:assert/strict";
import { test } from "node:test";

import { TileStore } from "../src/tiles.js";
import { address } from "./scenes.js";

/** A source that notes what is asked and answers when told to. */
class FakeSource {
  constructor(inFlight = 2, batchBytes = 250) {
    Object.assign(this, { inFlight, batchBytes, batches: [] });
  }

  fetch(requests, to) {
    const batch = { rows: requests.map((r) => r.box.y[0]), to, cancelled: false };
    this.batches.push(batch);
    return { cancel: () => (batch.cancelled = true) };
  }

  /** Answer a batch; `bytes` of each tile; without: one value. */
  answer(batch, bytes = 100) {
    batch.rows.forEach((_, index) => batch.to.tile(index, pixels(bytes)));
    batch.to.done();
  }

  get rows() {
    return this.batches.map((batch) => batch.rows);
  }
}

function pixels(bytes) {
  const data = bytes ? new Uint8Array(bytes) : null;
  return { shape: [1, bytes || 9], dtype: "uint8", data, constant: data ? null : 7 };
}

const list = (...numbers) => numbers.map((n) => address(n));
const key = (n) => address(n).key;
const soon = () => new Promise((resolve) => setImmediate(resolve));

test("tiles are asked for in batches, as many as may be under way, in their order", () => {
  const source = new FakeSource();
  const store = new TileStore(source);
  store.want(list(1, 2, 3, 4, 5, 6), []);
  assert.deepEqual(source.rows, [[1, 2], [3, 4]]);
  assert.equal(store.loading, 6);
  source.answer(source.batches[0]);
  assert.deepEqual(source.rows, [[1, 2], [3, 4], [5, 6]]);
  assert.equal(store.loading, 4);
  assert.equal(store.get(key(1)).request.box.y[0], 1);
  assert.equal(store.get(key(3)), undefined);
});

test("a tile larger than a batch is asked for alone", () => {
  const source = new FakeSource();
  new TileStore(source).want([address(1, 9000), address(2)], []);
  assert.deepEqual(source.rows, [[1], [2]]);
});

test("a new view replaces what waits, and cancels what nobody wants any more", () => {
  const source = new FakeSource();
  const store = new TileStore(source);
  store.want(list(1, 2, 3, 4, 5, 6), []);
  store.want(list(4, 7, 8), []);
  assert.deepEqual(source.batches.map((batch) => batch.cancelled), [true, false, false]);
  assert.deepEqual(source.rows[2], [7, 8]);
  assert.equal(store.loading, 3);
  source.batches[0].to.tile(0, pixels(100));
  assert.ok(store.has(key(1)), "what comes late is kept all the same");
});

test("a batch is not wanted any more once its only wanted tile is there", () => {
  const source = new FakeSource();
  const store = new TileStore(source);
  store.want(list(1, 2), []);
  source.batches[0].to.tile(0, pixels(100));
  store.want(list(1, 3), []);
  assert.ok(source.batches[0].cancelled);
  assert.deepEqual(source.rows[1], [3]);
});

test("tiles in advance wait for all visible ones, and take one batch at most", () => {
  const source = new FakeSource(3);
  const store = new TileStore(source);
  store.want(list(1, 2), list(2, 11, 12, 13, 14));
  assert.deepEqual(source.rows, [[1, 2]]);
  source.answer(source.batches[0]);
  assert.deepEqual(source.rows, [[1, 2], [11, 12]]);
  assert.equal(store.loading, 0, "these are not counted");
  store.want(list(11, 3), list(13));
  assert.deepEqual(source.rows[2], [3], "11 is on its way already");
  assert.equal(source.batches[1].cancelled, false);
  source.answer(source.batches[1]);
  source.answer(source.batches[2]);
  assert.deepEqual(source.rows[3], [13]);
});

test("a failed tile is not asked for again until 30 s later, or told to", async () => {
  let now = 0;
  const source = new FakeSource();
  let changes = 0;
  const store = new TileStore(source, { now: () => now, onChange: () => changes++ });
  store.want(list(1), []);
  source.batches[0].to.fail(0, "the chunk is corrupt");
  source.batches[0].to.done();
  assert.equal(store.failure(key(1)), "the chunk is corrupt");
  assert.equal(store.failure(key(2)), null);
  assert.equal(store.loading, 0);
  await soon();
  assert.equal(changes, 1);
  now = 29_999;
  store.want(list(1), []);
  assert.equal(source.batches.length, 1);
  now = 30_000;
  store.want(list(1), []);
  assert.equal(source.batches.length, 2);
  assert.equal(store.failure(key(1)), "the chunk is corrupt", "until it is known better");
  source.batches[1].to.fail(0, "still");
  source.batches[1].to.done();
  store.retry(key(2));
  assert.equal(source.batches.length, 2);
  store.retry(key(1));
  assert.equal(source.batches.length, 3);
  source.answer(source.batches[2]);
  assert.equal(store.failure(key(1)), null);
  assert.ok(store.has(key(1)));
});

test("a tile that the source lacks is quietly absent for good", () => {
  let now = 0;
  const source = new FakeSource();
  const store = new TileStore(source, { now: () => now });
  store.want(list(1), []);
  source.batches[0].to.fail(0, "");
  source.batches[0].to.done();
  now = 1e9;
  store.want(list(1), []);
  assert.equal(source.batches.length, 1);
  assert.equal(store.failure(key(1)), "");
  assert.equal(store.loading, 0);
});

test("what a batch leaves open is asked for again, three times", () => {
  const source = new FakeSource();
  const store = new TileStore(source);
  store.want(list(1, 2), []);
  source.batches[0].to.tile(0, pixels(10));
  source.batches[0].to.done();
  assert.deepEqual(source.rows, [[1, 2], [2]]);
  source.batches[1].to.done();
  source.batches[2].to.done();
  assert.equal(source.batches.length, 3);
  assert.match(store.failure(key(2)), /no answer/);
});

test("the least recently used go first, never what is visible", () => {
  const source = new FakeSource(9, 100);
  const store = new TileStore(source, { maxBytes: 400 });
  const put = (n, bytes = 100) => store.put({ ...address(n), ...pixels(bytes) });
  for (const n of [1, 2, 3, 4]) put(n);
  store.want(list(2, 3), []);
  assert.ok(store.get(key(1)), "used again");
  put(5);
  assert.deepEqual([1, 2, 3, 4, 5].filter((n) => store.has(key(n))), [1, 2, 3, 5]);
  put(6);
  assert.deepEqual([1, 2, 3, 5, 6].filter((n) => store.has(key(n))), [2, 3, 5, 6]);
  assert.equal(store.bytes, 400);
  put(6, 0);
  assert.equal(store.bytes, 364, "one value counts 64");
  store.want(list(2, 3, 5, 6), []);
  put(7, 300);
  assert.deepEqual([2, 3, 5, 6].filter((n) => store.has(key(n))), [2, 3, 5, 6]);
});

test("what doesn't fit into memory together is not asked for", () => {
  const source = new FakeSource(9, 1000);
  const store = new TileStore(source, { maxBytes: 350 });
  store.want(list(1, 2), list(3, 4, 5));
  source.answer(source.batches[0]);
  assert.deepEqual(source.rows, [[1, 2], [3]]);
  store.want([address(8, 5000), address(9)], []);
  assert.deepEqual(source.rows[2], [8], "one always fits");
  assert.equal(store.loading, 1);
});

test("changes are told once for all of a moment, and not after the end", async () => {
  const source = new FakeSource();
  let changes = 0;
  const store = new TileStore(source, { onChange: () => changes++ });
  store.want(list(1, 2, 3), []);
  await soon();
  assert.equal(changes, 0);
  source.answer(source.batches[0]);
  source.batches[1].to.fail(0, "no");
  await soon();
  assert.equal(changes, 1);
  store.want(list(4), []);
  store.dispose();
  assert.ok(source.batches.at(-1).cancelled);
  source.answer(source.batches.at(-1));
  await soon();
  assert.equal(changes, 1);
  assert.equal(store.bytes, 0);
  const asked = source.batches.length;
  store.want(list(9), []);
  store.retry();
  assert.equal(source.batches.length, asked);
});
