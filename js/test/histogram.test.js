import assert from "node:assert/strict";
import { test } from "node:test";

import {
  autoWindow,
  countsOf,
  percentile,
  plotRange,
  roundTo,
  sampleOf,
  tilesInView,
} from "../src/ui/histogram.js";

let made = 0;
const tileOf = (data, shape = [1, data.length], level = 0) => ({
  key: `tile ${made++}`,
  request: { layer: 0, level, channel: 0, box: {}, order: ["y", "x"] },
  shape,
  dtype: "uint16",
  data,
  constant: null,
});
const constantOf = (constant, shape) => ({ ...tileOf([], shape), data: null, constant });
const rising = (...values) => Float64Array.from(values).sort();

// the numbers of these two were computed with numpy.percentile, numpy.histogram and window_of
const INTEGERS = sampleOf([
  tileOf(Uint16Array.from({ length: 1000 }, (_, i) => (i * i * 7919) % 60013)),
]);
const WAVES = rising(...Array.from({ length: 777 }, (_, i) => Math.sin(i * 1.7) * 3));

test("percentiles are those of numpy", () => {
  const found = [0, 0.5, 25, 50, 99.5, 100].map((percent) => percentile(INTEGERS, percent));
  const numpy = [0, 90.99, 15289.5, 30674.5, 59698.03, 59978];
  found.forEach((value, i) => assert.ok(Math.abs(value - numpy[i]) < 1e-9, `${value}`));
  const waves = [-2.9995769070682674, -1.514858154042459, 2.9993915488946334];
  [0.5, 33.3, 99.5].forEach((percent, i) => {
    assert.ok(Math.abs(percentile(WAVES, percent) - waves[i]) < 1e-12);
  });
});

test("the automatic window is that of window_of, also where percentiles coincide", () => {
  const [low, high] = autoWindow(INTEGERS);
  assert.ok(Math.abs(low - 90.99) < 1e-9 && Math.abs(high - 59698.03) < 1e-9);
  const spot = new Float64Array(1000);
  spot[999] = 5;
  assert.deepEqual(autoWindow(spot), [0, 5]);
  assert.deepEqual(autoWindow(new Float64Array(9).fill(-3)), [-3, 0]);
  assert.deepEqual(autoWindow(new Float64Array(3).fill(7)), [0, 7]);
  assert.deepEqual(autoWindow(new Float64Array(4)), [0, 1]);
  assert.deepEqual(autoWindow(new Float64Array(0)), [0, 1]);
  assert.deepEqual(autoWindow(rising(3, 1, 2), 0, 100), [1, 3]);
});

test("counts are those of numpy, with the last bin closed", () => {
  const counts = countsOf(INTEGERS, [100, 50000], 10);
  assert.deepEqual([...counts], [66, 84, 87, 71, 83, 90, 86, 76, 82, 87]);
  assert.deepEqual([...countsOf(rising(-1, 0, 1, 2, 2, 3), [0, 2], 2)], [1, 3]);
  assert.deepEqual([...countsOf(new Float64Array(0), [0, 1], 3)], [0, 0, 0]);
});

test("NaN and infinity don't count, of constants each pixel does", () => {
  const floats = tileOf(Float32Array.of(2, NaN, -1, Infinity, -Infinity, 0.5));
  assert.deepEqual([...sampleOf([floats])], [-1, 0.5, 2]);
  const values = sampleOf([constantOf(4, [2, 3]), tileOf(Uint8Array.of(9, 1))]);
  assert.deepEqual([...values], [1, 4, 4, 4, 4, 4, 4, 9]);
  assert.equal(sampleOf([constantOf(NaN, [8, 8])]).length, 0);
  assert.equal(sampleOf([]).length, 0);
});

test("64-bit integers are rounded as Number does, with and without sign", () => {
  const bits = [0n, 1n, 2n ** 32n - 1n, 2n ** 53n + 1n, 2n ** 53n + 3n, 2n ** 63n + 1025n];
  const unsigned = [...bits, 2n ** 64n - 1n];
  const words = BigUint64Array.from([7n, ...unsigned]).subarray(1);
  assert.deepEqual([...sampleOf([tileOf(words)])], unsigned.map(Number));
  const signed = [-(2n ** 63n), -(2n ** 53n) - 1n, -(2n ** 32n), -1n, 0n, 5n, 2n ** 63n - 1n];
  assert.deepEqual([...sampleOf([tileOf(BigInt64Array.from(signed))])], signed.map(Number));
  assert.deepEqual([...sampleOf([constantOf(2n ** 60n, [1, 2])])], [2 ** 60, 2 ** 60]);
});

test("of many pixels a part is taken, from all columns, constants in proportion", () => {
  const data = Uint16Array.from({ length: 64 * 64 }, (_, i) => i % 64); // value: column
  const values = sampleOf([tileOf(data, [64, 64]), constantOf(100, [64, 64])], 2048);
  const constants = values.filter((value) => value === 100).length;
  assert.ok(values.length <= 2048 && values.length > 1500, `${values.length}`);
  assert.equal(constants, 1024);
  assert.equal(new Set(values).size, 65);
});

test("the window is inside of the range drawn, and integers have bins of their own", () => {
  const bytes = Float64Array.from({ length: 2560 }, (_, i) => Math.floor(i / 10));
  assert.deepEqual(plotRange(bytes, [0, 255], true), { range: [-0.5, 255.5], bins: 128 });
  const few = plotRange(rising(3, 4, 5), [3, 5], true);
  assert.deepEqual(few, { range: [2.5, 5.5], bins: 3 });
  assert.deepEqual([...countsOf(rising(3, 4, 4, 5), few.range, few.bins)], [1, 2, 1]);
  assert.deepEqual(plotRange(rising(1, 2), [-4, 9], false).range, [-4, 9]);
  assert.deepEqual(plotRange(new Float64Array(0), [2, 2], false).range, [1.5, 2.5]);
  const hot = new Float64Array(5000).fill(100);
  hot[4999] = 65535;
  assert.equal(plotRange(hot, [90, 110], true).range[1] < 200, true);
});

test("what is dragged is rounded to what a mouse can tell apart", () => {
  assert.equal(roundTo(12.6, [0, 100], true), 13);
  assert.equal(roundTo(0.30000000000000004, [0, 1], false), 0.3);
  assert.equal(roundTo(0.1234567, [0, 1], false), 0.123);
  assert.equal(roundTo(123456.7, [0, 1e6], false), 123000);
});

test("tiles in view: each once, of the level that fills most of a pane", () => {
  const fine = tileOf(Uint8Array.of(1), [1, 1], 0);
  const other = tileOf(Uint8Array.of(2), [1, 1], 0);
  const coarse = tileOf(Uint8Array.of(3), [1, 1], 1);
  const quad = (tile, screen) => ({ tile, screen, texels: [0, 0, 1, 1] });
  const first = {
    layer: 0,
    channel: 1,
    quads: [quad(fine, [0, 0, 9, 9]), quad(fine, [9, 0, 10, 9]), quad(coarse, [0, 9, 3, 10])],
  };
  const quads = [quad(fine, [0, 0, 1, 1]), quad(other, [1, 0, 2, 1])];
  const second = { layer: 0, channel: 1, quads };
  const elsewhere = { layer: 1, channel: 1, quads: [quad(coarse, [0, 0, 9, 9])] };
  const frames = [{ covers: [first, elsewhere] }, { covers: [second] }];
  assert.deepEqual(tilesInView(frames, 0, 1), [fine, other]);
  assert.deepEqual(tilesInView(frames, 0, 0), []);
});
