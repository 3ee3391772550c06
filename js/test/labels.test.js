import assert from "node:assert/strict";
import { test } from "node:test";

import { labelColor, parseIds } from "../src/ui/labels.js";

const IDS = [
  1n,
  2n,
  3n,
  7n,
  255n,
  65536n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n + 1n,
  2n ** 63n,
  2n ** 64n - 1n,
  12345678901234567890n,
  5765488047046174021n,
  8275336682942969162n,
  7154437704795913393n,
];

// computed with ngffkit.plots.compose.label_colors(ids ^ seed * 0xD1342543DE82EF95)
const PYTHON = [
  [
    0,
    "3c6ce2 8ddd1c e918cf 1fcf17 2e74da 2af6d8 9141e3 e622b0 " +
      "4accca e2c152 1bfdfd 55d57a 15f6f7 f05aad ec391d 4665ee",
  ],
  [
    1,
    "52fe71 afe533 6ba5fa e2c462 30f586 5adebc b5fc49 9c37f5 " +
      "3efeeb d524c1 5eebdb 57d188 a13df2 dccd1b 3c77f8 da454c",
  ],
  [
    9,
    "c5ec60 ce773c 45eab8 e36374 d74221 49ee2a eaa35d 7f48ee " +
      "25d620 7f4ae5 1ff41c 1d9dd4 f756ab fe226f 18eb59 d82d96",
  ],
];

const hex = ([r, g, b]) => [r, g, b].map((part) => part.toString(16).padStart(2, "0")).join("");

test("labels have the colours that Python gives them", () => {
  for (const [seed, colors] of PYTHON) {
    assert.equal(IDS.map((id) => hex(labelColor(id, seed))).join(" "), colors);
  }
  const negative = [-1n, -2n, -(2n ** 63n)].map((id) => hex(labelColor(id)));
  assert.deepEqual(negative, ["55d57a", "b25fee", "1bfdfd"]);
  assert.equal(labelColor(5n)[3], 255);
});

test("a given colour is taken whatever the seed; the background is never seen", () => {
  const given = new Map([
    ["7", [1, 2, 3, 128]],
    ["0", [9, 9, 9, 255]],
  ]);
  assert.deepEqual(labelColor(7n, 0, given), [1, 2, 3, 128]);
  assert.deepEqual(labelColor(7n, 4, given), [1, 2, 3, 128]);
  assert.deepEqual(labelColor(8n, 0, given), labelColor(8n));
  assert.deepEqual(labelColor(0n, 3, given), [0, 0, 0, 0]);
});

test("ids are read from what is typed, each once", () => {
  assert.deepEqual(parseIds("12, 57;12\n 007"), ["12", "57", "7"]);
  assert.deepEqual(parseIds("18446744073709551615 -9223372036854775808"), [
    "18446744073709551615",
    "-9223372036854775808",
  ]);
  assert.deepEqual(parseIds(" , "), []);
});

test("what is no id is named", () => {
  const beyond = ["18446744073709551616", "-9223372036854775809"];
  for (const text of ["0", "-0", "1.5", "abc", "0x3", ...beyond]) {
    assert.throws(() => parseIds(`3, ${text}`), {
      message: `"${text}" is no label id; write whole numbers but 0, such as 12, 57`,
    });
  }
});
