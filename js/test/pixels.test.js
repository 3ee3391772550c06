import assert from "node:assert/strict";
import { test } from "node:test";

import { decode, parseConstant, toBytes, unpack, valueAt } from "../src/geometry.js";

test("bytes are taken in every form that front ends hand them over", () => {
  const bytes = Uint8Array.of(9, 1, 2, 253, 254, 9);
  const inner = bytes.slice(1, 5);
  const forms = [
    inner,
    inner.buffer,
    new DataView(bytes.buffer, 1, 4),
    new Int8Array(bytes.buffer, 1, 4),
    Buffer.from(inner).toString("base64"),
  ];
  for (const form of forms) assert.deepEqual([...toBytes(form)], [1, 2, 253, 254]);
});

test("pixels of every dtype, also where bytes begin at an odd place", () => {
  const kinds = {
    uint8: [Uint8Array, [0, 255]],
    int8: [Int8Array, [-128, 127]],
    uint16: [Uint16Array, [65535, 258]],
    int16: [Int16Array, [-32768, 258]],
    uint32: [Uint32Array, [4294967295, 1]],
    int32: [Int32Array, [-2147483648, 1]],
    uint64: [BigUint64Array, [2n ** 64n - 1n, 3n]],
    int64: [BigInt64Array, [-(2n ** 63n), 3n]],
    float32: [Float32Array, [0.1, -Infinity].map(Math.fround)],
    float64: [Float64Array, [0.1, NaN]],
  };
  for (const [dtype, [Kind, values]] of Object.entries(kinds)) {
    const wire = new Uint8Array(Kind.from(values).buffer);
    const odd = new Uint8Array(wire.length + 1);
    odd.set(wire, 1);
    for (const form of [wire, odd.subarray(1)]) {
      const got = decode(dtype, form);
      assert.equal(got.constructor, Kind);
      assert.deepEqual([...got], values);
    }
  }
  assert.throws(() => decode("uint16", new Uint8Array(3)), /3 bytes .* uint16/);
});

test("half-precision numbers are widened exactly", () => {
  const known = [
    [0x0000, 0],
    [0x8000, -0],
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x0400, 2 ** -14],
    [0x3c00, 1],
    [0x3555, 0.333251953125],
    [0xc000, -2],
    [0x7bff, 65504],
    [0x7c00, Infinity],
    [0xfc00, -Infinity],
    [0x7e00, NaN],
  ];
  const got = decode("float16", Uint16Array.from(known.map(([bits]) => bits)));
  assert.equal(got.constructor, Float32Array);
  known.forEach(([, value], i) => assert.ok(Object.is(got[i], value), `${got[i]} is ${value}`));
});

test("constants keep all their digits", () => {
  assert.equal(parseConstant("uint64", "18446744073709551615"), 2n ** 64n - 1n);
  assert.equal(parseConstant("int64", "-5"), -5n);
  assert.equal(parseConstant("float64", "0.1"), 0.1);
  assert.equal(parseConstant("uint16", "7"), 7);
  assert.equal(parseConstant("float32", "nan"), NaN);
  assert.equal(parseConstant("float32", "inf"), Infinity);
  assert.equal(parseConstant("float16", "-inf"), -Infinity);
});

test("a tile's values are found by row and column", () => {
  const data = unpack({ shape: [2, 3], dtype: "uint8" }, Uint8Array.of(1, 2, 3, 4, 5, 6));
  assert.equal(valueAt(data, 1, 0), 4);
  assert.equal(valueAt(data, 0, 2), 3);
  const same = unpack({ shape: [2, 3], dtype: "int64", constant: "-9" }, null);
  assert.equal(valueAt(same, 1, 2), -9n);
  assert.equal(unpack({ shape: [1], dtype: "float16" }, new Uint8Array(2)).dtype, "float32");
  assert.throws(() => unpack({ shape: [2, 3], dtype: "uint8" }, new Uint8Array(5)), /2 x 3 .* 5/);
  assert.throws(() => unpack({ shape: [1], dtype: "<U4" }, new Uint8Array(16)), /<U4/);
});
