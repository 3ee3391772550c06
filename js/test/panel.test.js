import assert from "node:assert/strict";
import { test } from "node:test";

import { sliderAxes } from "../src/ui/axes.js";
import { channelsOf } from "../src/ui/channels.js";

const axis = (name, size) => ({ name, size });
const VOLUME = {
  axes: [axis("t", 5), axis("s", 1), axis("z", 9), axis("y", 8), axis("x", 7)],
  spatial: ["z", "y", "x"],
  planes: [
    ["x", "y"],
    ["x", "z"],
    ["z", "y"],
  ],
};

test("axes that the picture doesn't show have a slider", () => {
  const of = (layout, plane = ["x", "y"]) => sliderAxes(VOLUME, { layout, plane });
  assert.deepEqual(of("plane"), ["t", "z"]);
  assert.deepEqual(of("plane", ["z", "y"]), ["t", "x"]);
  assert.deepEqual(of("ortho"), ["t", "z", "y", "x"]);
  assert.deepEqual(of("volume"), ["t"]);
  const flat = { axes: [axis("y", 8), axis("x", 7)], spatial: ["y", "x"], planes: [["x", "y"]] };
  assert.deepEqual(sliderAxes(flat, { layout: "ortho", plane: ["x", "y"] }), []);
});

test("channels of all images follow one another; labels are none", () => {
  const layer = (name, kind, dtype, ...labels) => ({
    name,
    kind,
    dtype,
    channels: labels.map((label) => ({ label, range: [0, 1] })),
  });
  const one = channelsOf({ layers: [layer("cells", "intensity", "uint8", "DAPI", "actin")] });
  assert.deepEqual(
    one.map(({ name, index, whole }) => [name, index, whole]),
    [
      ["DAPI", 0, true],
      ["actin", 1, true],
    ],
  );
  const several = channelsOf({
    layers: [
      layer("raw", "intensity", "float32", "DAPI", "actin"),
      layer("nuclei", "label", "uint32", "nuclei"),
      layer("denoised", "intensity", "int16", "all"),
    ],
  });
  assert.deepEqual(
    several.map(({ name, index, layer: at, channel, whole }) => [name, index, at, channel, whole]),
    [
      ["raw: DAPI", 0, 0, 0, false],
      ["raw: actin", 1, 0, 1, false],
      ["denoised", 2, 2, 0, true],
    ],
  );
});
