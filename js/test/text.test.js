import assert from "node:assert/strict";
import { test } from "node:test";

import {
  coordinate,
  coordinateText,
  formatNumber,
  lengthText,
  niceLength,
  positionText,
} from "../src/geometry.js";
import { axis } from "./scenes.js";

test("numbers have six digits at most, integers all of theirs", () => {
  const written = [
    [0, "0"],
    [-0, "0"],
    [4294967295, "4294967295"],
    [18446744073709551615n, "18446744073709551615"],
    [0.1 + 0.2, "0.3"],
    [1 / 3, "0.333333"],
    [123456.7, "123457"],
    [1234567.8, "1.23457e+06"],
    [0.00001234, "1.234e-05"],
    [-0.0001, "-0.0001"],
    [1.5e300, "1.5e+300"],
    [100.00000001, "100"],
    [NaN, "nan"],
    [-Infinity, "-inf"],
  ];
  for (const [value, text] of written) assert.equal(formatNumber(value), text);
});

test("coordinates are the very numbers of Python", () => {
  const z = axis("z", 9, 1, { scale: 0.1, origin: 0.7, unit: "µm" });
  assert.equal(coordinate(z, 3), 0.7 + 3 * 0.1);
  assert.equal(positionText(z, 3), "z 3 (1 µm)");
  assert.equal(positionText(axis("t", 9), 3), "t 3");
  const days = axis("t", 2, 1, { values: ["1 May", "2 May"] });
  assert.equal(positionText(days, 1), "t 1 (2 May)");
  const far = axis("x", 9, 1, { scale: 0.01, origin: 123456, unit: "nm" });
  assert.equal(coordinateText(far, 7), "123456.07 nm", "neighbours can be told apart");
  assert.equal(coordinateText(axis("a", 9, 1, { unit: "°", scale: 0.5 }), 5), "2.5°");
});

// as ngffkit.plots.scalebar.nice_length has them
test("round lengths", () => {
  const pairs = [
    [37, 20],
    [0.6, 0.5],
    [5, 5],
    [1999, 1000],
    [1, 1],
    [0.0999, 0.05],
    [9.9999999999, 10],
    [1e-6, 1e-6],
    [3e-15, 2e-15],
    [7.3e8, 5e8],
  ];
  for (const [limit, length] of pairs) assert.equal(niceLength(limit), length);
  for (const bad of [0, -1, NaN, Infinity]) assert.throws(() => niceLength(bad), /positive/);
});

// as ngffkit.plots.scalebar.length_text has them
test("lengths are written in the unit that suits their size", () => {
  const texts = [
    [0.5, "µm", "500 nm"],
    [2000, "µm", "2 mm"],
    [5, "Å", "0.5 nm"],
    [20, "", "20 px"],
    [2, "in", "2 in"],
    [0.2, "nm", "0.2 nm"],
    [0.02, "nm", "20 pm"],
    [1000, "nm", "1 µm"],
    [1, "m", "1 m"],
    [50, "km", "50 km"],
    [5000, "km", "5000 km"],
    [10, "cm", "100 mm"],
    [20, "s", "20 s"],
    [0.5, "°", "0.5°"],
    [2000000, "px", "2e+06 px"],
    [1, "ym", "1e-09 fm"],
  ];
  for (const [length, unit, text] of texts) assert.equal(lengthText(length, unit), text);
});
