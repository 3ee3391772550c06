import assert from "node:assert/strict";
import { test } from "node:test";

import { KernelSource } from "../src/source/kernel.js";
import { address } from "./scenes.js";

class Clock {
  constructor() {
    this.now = 0;
    this.timers = new Map();
    this.count = 0;
  }

  setTimeout(fn, ms) {
    this.timers.set(++this.count, { fn, at: this.now + ms });
    return this.count;
  }

  clearTimeout(timer) {
    this.timers.delete(timer);
  }

  pass(ms) {
    const end = this.now + ms;
    for (;;) {
      const due = [...this.timers].filter(([, { at }]) => at <= end);
      if (!due.length) break;
      const [id, { fn, at }] = due.sort((a, b) => a[1].at - b[1].at)[0];
      this.timers.delete(id);
      this.now = at;
      fn();
    }
    this.now = end;
  }
}

class Channel {
  constructor() {
    this.sent = [];
    this.listeners = new Set();
  }

  on(event, listener) {
    assert.equal(event, "msg:custom");
    this.listeners.add(listener);
  }

  off(_event, listener) {
    this.listeners.delete(listener);
  }

  send(content) {
    if (this.broken) throw new Error("the line is down");
    this.sent.push(JSON.parse(JSON.stringify(content)));
  }

  say(content, buffers = []) {
    for (const listener of this.listeners) listener({ view: "v", ...content }, buffers);
  }

  get last() {
    return this.sent.at(-1);
  }
}

function setUp() {
  const clock = new Clock();
  const channel = new Channel();
  const source = new KernelSource(channel, "v", { clock });
  const states = [];
  source.onStatus((status) => states.push(status));
  return { clock, channel, source, states };
}

function receiver() {
  const got = { tiles: [], fails: [], done: 0 };
  got.to = {
    tile: (index, tile) => got.tiles.push([index, tile.data ? [...tile.data] : tile.constant]),
    fail: (index, cause) => got.fails.push([index, cause]),
    done: () => got.done++,
  };
  return got;
}

const requests = (count) => Array.from({ length: count }, (_, n) => address(n).request);

/** A message about a batch with one value per tile. */
function tiles(batch, indices, done = true) {
  return {
    on: "tiles",
    batch,
    done,
    tiles: indices.map((i) => ({ i, shape: [1, 9], dtype: "uint8", constant: String(i) })),
  };
}

test("tiles are cut out of the buffer and told with their place in the batch", () => {
  const { channel, source } = setUp();
  const got = receiver();
  source.fetch(requests(3), got.to);
  assert.deepEqual(channel.sent, [
    { do: "fetch", view: "v", batch: 1, tiles: JSON.parse(JSON.stringify(requests(3))) },
  ]);
  const bytes = Uint8Array.of(99, 1, 0, 2, 0, 99, 99, 99, 99, 5, 6);
  channel.say(
    {
      on: "tiles",
      batch: 1,
      done: false,
      tiles: [
        { i: 2, shape: [1, 2], dtype: "uint8", offset: 8, bytes: 2 },
        { i: 0, shape: [2, 1], dtype: "uint16", offset: 0, bytes: 4 },
      ],
    },
    [new DataView(bytes.buffer, 1)],
  );
  assert.deepEqual(got.tiles, [[2, [5, 6]], [0, [1, 2]]]);
  assert.equal(got.done, 0);
  const error = { i: 1, error: "chunk 3 is corrupt" };
  channel.say({ on: "tiles", batch: 1, done: true, tiles: [error] });
  assert.deepEqual(got.fails, [[1, "chunk 3 is corrupt"]]);
  assert.equal(got.done, 1);
});

test("a buffer that is too short is that tile's failure", () => {
  const { channel, source } = setUp();
  const got = receiver();
  source.fetch(requests(1), got.to);
  const meta = { i: 0, shape: [2, 2], dtype: "uint8", offset: 0, bytes: 4 };
  channel.say({ on: "tiles", batch: 1, done: true, tiles: [meta] }, [new Uint8Array(3).buffer]);
  assert.match(got.fails[0][1], /2 x 2 pixels came with 3/);
  assert.equal(got.done, 1);
});

test("what is said to other views or comes twice is passed over", () => {
  const { channel, source } = setUp();
  const got = receiver();
  source.fetch(requests(2), got.to);
  channel.say({ ...tiles(1, [0, 1]), view: "w" });
  assert.deepEqual(got.tiles, []);
  channel.say(tiles(1, [0], false));
  channel.say(tiles(1, [0], false));
  channel.say(tiles(1, [1]));
  channel.say(tiles(1, [1]));
  assert.deepEqual(got.tiles, [[0, 0], [1, 1]]);
  assert.equal(got.done, 1);
});

test("answers of several batches may come in any order", () => {
  const { channel, source } = setUp();
  const [a, b] = [receiver(), receiver()];
  source.fetch(requests(1), a.to);
  source.fetch(requests(2), b.to);
  channel.say(tiles(2, [1], false));
  channel.say(tiles(1, [0]));
  channel.say(tiles(2, [0]));
  assert.deepEqual([a.done, b.done], [1, 1]);
  assert.deepEqual(b.tiles.map(([index]) => index), [1, 0]);
});

test("silence makes the kernel busy, any word makes it well again", () => {
  const { clock, channel, source, states } = setUp();
  source.fetch(requests(1), receiver().to);
  clock.pass(1499);
  assert.deepEqual(states, ["ok"]);
  clock.pass(1);
  assert.deepEqual(states, ["ok", "busy"]);
  channel.say({ on: "alive", batch: 1 });
  assert.deepEqual(states, ["ok", "busy", "ok"]);
  clock.pass(1500);
  assert.equal(source.status, "busy");
  channel.say(tiles(1, [0]));
  clock.pass(100_000);
  assert.deepEqual(states, ["ok", "busy", "ok", "busy", "ok"]);
  assert.equal(channel.sent.length, 1);
  assert.equal(clock.timers.size, 0);
});

test("a lost message is sent again under a new number, counted from the last word", () => {
  const { clock, channel, source } = setUp();
  const got = receiver();
  source.fetch(requests(1), got.to);
  clock.pass(6000);
  channel.say({ on: "alive", batch: 1 });
  clock.pass(9999);
  assert.equal(channel.sent.length, 1);
  clock.pass(1);
  const [first, drop, second] = channel.sent;
  assert.deepEqual(drop, { do: "drop", view: "v", batches: [1] });
  assert.deepEqual(second, { ...first, batch: 2 });
  channel.say(tiles(2, [0]));
  assert.deepEqual([got.tiles.length, got.done], [1, 1]);
});

test("a late answer to the first asking is used, and the second one called off", () => {
  const { clock, channel, source } = setUp();
  const got = receiver();
  source.fetch(requests(2), got.to);
  clock.pass(10_000);
  channel.say(tiles(1, [0], true));
  assert.equal(got.done, 0, "tile 1 may come with the second answer");
  channel.say(tiles(1, [1], true));
  assert.deepEqual([got.tiles.length, got.done], [2, 1]);
  assert.deepEqual(channel.last, { do: "drop", view: "v", batches: [2] });
  channel.say(tiles(2, [0, 1]));
  assert.deepEqual([got.tiles.length, got.done], [2, 1]);
});

test("the last word ends a batch, whatever got lost of it", () => {
  const { channel, source } = setUp();
  const got = receiver();
  source.fetch(requests(3), got.to);
  channel.say(tiles(1, [2], true));
  assert.deepEqual([got.tiles.length, got.done], [1, 1]);
});

test("after three more askings the kernel is lost; at its next word all is asked again", () => {
  const { clock, channel, source, states } = setUp();
  const [a, b] = [receiver(), receiver()];
  source.fetch(requests(1), a.to);
  source.fetch(requests(1), b.to);
  clock.pass(100_000);
  const asked = () => channel.sent.filter((message) => message.do === "fetch").length;
  assert.equal(asked(), 8);
  assert.deepEqual(states, ["ok", "busy", "lost"]);
  assert.deepEqual([a.done, a.fails.length], [0, 0], "the tiles stay wanted");
  channel.say({ on: "alive", batch: 12345 });
  assert.equal(source.status, "ok");
  assert.equal(asked(), 10);
  channel.say(tiles(source.count - 1, [0]));
  channel.say(tiles(source.count, [0]));
  assert.deepEqual([a.done, b.done], [1, 1]);
});

test("a kernel that came back has all its chances again; what is fresh isn't asked twice", () => {
  const { clock, channel, source, states } = setUp();
  source.fetch(requests(1), receiver().to);
  clock.pass(100_000);
  source.fetch(requests(2), receiver().to);
  clock.pass(5000);
  assert.deepEqual(states, ["ok", "busy", "lost"], "not merely busy");
  const sizes = () => channel.sent.filter((m) => m.do === "fetch").map((m) => m.tiles.length);
  assert.deepEqual(sizes(), [1, 1, 1, 1, 2]);
  channel.say({ on: "alive", batch: 999 });
  assert.deepEqual(sizes(), [1, 1, 1, 1, 2, 1]);
  clock.pass(30_000);
  assert.equal(source.status, "busy");
  assert.deepEqual(sizes().slice(6).sort(), [1, 1, 1, 2, 2, 2]);
});

test("what is cancelled is dropped; what was on its way already is still told", () => {
  const { clock, channel, source } = setUp();
  const got = receiver();
  const handle = source.fetch(requests(2), got.to);
  handle.cancel();
  assert.deepEqual(channel.last, { do: "drop", view: "v", batches: [1] });
  handle.cancel();
  assert.equal(channel.sent.length, 2);
  channel.say(tiles(1, [0, 1]));
  assert.deepEqual([got.tiles.length, got.done], [2, 0]);
  clock.pass(100_000);
  assert.equal(source.status, "ok", "nobody waits");
  for (let n = 0; n < 100; n++) source.fetch(requests(1), receiver().to).cancel();
  assert.ok(source.asks.size <= 32, "they are not kept for ever");
});

test("requests too long for one message are split and are done together", () => {
  const { channel, source } = setUp();
  const got = receiver();
  const many = requests(20_000);
  source.fetch(many, got.to);
  assert.ok(channel.sent.length > 1);
  for (const message of channel.sent) assert.ok(JSON.stringify(message).length < 1_001_000);
  assert.equal(channel.sent.flatMap((message) => message.tiles).length, many.length);
  const lengths = channel.sent.map((message) => message.tiles.length);
  channel.say(tiles(2, [0]));
  assert.deepEqual(got.tiles, [[lengths[0], 0]], "places count through all messages");
  assert.equal(got.done, 0);
  const others = channel.sent.map((message) => message.batch).filter((batch) => batch !== 2);
  for (const batch of others) channel.say(tiles(batch, []));
  assert.equal(got.done, 1);
});

test("a line that is down loses the kernel, without an exception", async () => {
  const { channel, source } = setUp();
  channel.broken = true;
  source.fetch(requests(1), receiver().to);
  assert.equal(source.status, "lost");
  channel.broken = false;
  channel.say({ on: "alive", batch: 1 });
  assert.equal(source.status, "ok");
  channel.send = () => Promise.reject(new Error("closed"));
  source.fetch(requests(1), receiver().to);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(source.status, "lost");
});

test("the newest picture wins", async () => {
  const { channel, source } = setUp();
  const old = source.frame({ zoom: 1 }, 30, 20, 2);
  const recent = source.frame({ zoom: 2 }, 30, 20, 2);
  assert.deepEqual(channel.last, {
    do: "frame",
    view: "v",
    frame: 2,
    state: { zoom: 2 },
    width: 30,
    height: 20,
    dpr: 2,
  });
  assert.equal(await old, null);
  channel.say({ on: "frame", frame: 1 }, [Uint8Array.of(1)]);
  channel.say({ on: "frame", frame: 2 }, [Uint8Array.of(2)]);
  assert.deepEqual([...(await recent)], [2]);
  const failing = source.frame({}, 1, 1, 1);
  channel.say({ on: "frame", frame: 3, error: "no such mag" });
  await assert.rejects(failing, /no such mag/);
});

test("profiles come as they are, are asked again like tiles, and end with the view", async () => {
  const { clock, channel, source } = setUp();
  const line = [{ z: 1 }, { z: 5 }];
  const profile = source.profile(line, 2);
  clock.pass(10_000);
  assert.deepEqual(channel.last, { do: "profile", view: "v", profile: 2, points: line, level: 2 });
  const answer = { distance: [0, 1], unit: "µm", channels: [] };
  channel.say({ on: "profile", profile: 1, ...answer });
  assert.deepEqual(await profile, answer);
  const bad = source.profile(line, 9);
  channel.say({ on: "profile", profile: 3, error: "no level 9" });
  await assert.rejects(bad, /no level 9/);
  const open = source.profile(line, 0);
  source.dispose();
  await assert.rejects(open, /closed/);
  assert.equal(channel.listeners.size, 0);
  assert.equal(clock.timers.size, 0);
});
