import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateRawSync } from "node:zlib";

import { EmbeddedSource } from "../src/source/embedded.js";
import { TileStore } from "../src/tiles.js";
import { address } from "./scenes.js";

/** @returns the tiles of a page: row 0 with data, row 1 of one value, row 2 damaged */
function page() {
  const pixels = Uint16Array.from({ length: 9 }, (_, i) => 1000 + i);
  const data = deflateRawSync(new Uint8Array(pixels.buffer)).toString("base64");
  const shape = [1, 9];
  return [
    { request: address(0).request, shape, dtype: "uint16", data },
    { request: address(1).request, shape, dtype: "uint64", constant: "18446744073709551615" },
    { request: address(2).request, shape, dtype: "uint16", data: "AAAA" },
  ];
}

const done = (source, requests, got) =>
  new Promise((resolve) => {
    source.fetch(requests, {
      tile: (index, tile) => (got[index] = tile),
      fail: (index, cause) => (got[index] = cause),
      done: resolve,
    });
  });

test("tiles are inflated when asked for; what is not there fails without a cause", async () => {
  const got = [];
  const requests = [3, 1, 0, 2].map((n) => address(n).request);
  await done(new EmbeddedSource(page()), requests, got);
  assert.equal(got[0], "");
  assert.equal(got[1].constant, 2n ** 64n - 1n);
  assert.deepEqual([...got[2].data], [1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008]);
  assert.equal(typeof got[3], "string");
  assert.notEqual(got[3], "", "damage is not absence");
});

test("a page tells that it has no kernel", async () => {
  const source = new EmbeddedSource([]);
  const states = [];
  source.onStatus((status) => states.push(status));
  assert.deepEqual(states, ["static"]);
  await assert.rejects(source.profile(), /not saved in this page/);
  await assert.rejects(source.frame(), /not saved in this page/);
});

test("nothing is told after cancelling", async () => {
  const source = new EmbeddedSource(page());
  const said = [];
  const note = (word) => () => said.push(word);
  const to = { tile: note("t"), fail: note("f"), done: note("d") };
  source.fetch([address(0).request], to).cancel();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(said, []);
});

test("with a store, absent tiles are neither waited for nor asked for again", async () => {
  const source = new EmbeddedSource(page());
  await new Promise((resolve) => {
    const store = new TileStore(source, {
      onChange: () => {
        if (store.loading) return;
        assert.ok(store.has(address(0).key));
        assert.equal(store.failure(address(5).key), "");
        resolve();
      },
    });
    store.want([address(0), address(5)], []);
  });
});
