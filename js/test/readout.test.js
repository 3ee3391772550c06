import assert from "node:assert/strict";
import { test } from "node:test";

import { toScreen } from "../src/geometry.js";
import { crosshairAt, hoverAt, labelOf, refreshHover, valueText } from "../src/ui/readout.js";
import { loadingText, magText, valuesText } from "../src/ui/status.js";
import { viewerOf, volume } from "./stand_in.js";

const VOXEL = { t: 1, z: 3, y: 50, x: 100 };
const place = (viewer, u, v) => toScreen(viewer.panes()[0], u, v).map(Math.floor);

test("position, values, ids and mags of the very pixel", () => {
  const viewer = viewerOf(volume(), { voxel: VOXEL, zoom: 2 });
  viewer.load();
  const hover = hoverAt(viewer, ...place(viewer, 70, 30));
  assert.deepEqual(hover.voxel, { t: 1, z: 3, y: 30, x: 70 });
  assert.equal(hover.position, "t 1 (2 s) z 3 (1.5 µm) y 30 x 70");
  const mag = viewer.manifest.layers[0].levels[0].mag;
  const text = String(1000 * 30 + 70 - 64);
  assert.deepEqual(hover.values, [
    { label: "c0", text, mag },
    { label: "c1", text, mag },
    { label: "label", text, mag: viewer.manifest.layers[1].levels[0].mag },
  ]);
  assert.equal(hover.error, "");
  assert.deepEqual(labelOf(viewer, hover), { layer: 0, id: text });
  assert.equal(valuesText(hover), `c0 ${text}  c1 ${text}  label ${text}`);
});

test("what is hidden isn't read; a coarser level says its own mag", () => {
  const viewer = viewerOf(volume(), { voxel: VOXEL, zoom: 0.5 });
  const channels = viewer.state.get("channels").map((c, i) => ({ ...c, visible: !i }));
  viewer.state.set({ channels });
  viewer.load();
  const [value, label, ...rest] = hoverAt(viewer, ...place(viewer, 40, 30)).values;
  assert.deepEqual([value.label, label.label, rest], ["c0", "label", []]);
  assert.equal(value.mag, viewer.manifest.layers[0].levels[1].mag);
  assert.notEqual(label.mag, value.mag);
  const state = { shown_mag: "1", held_mag: "" };
  assert.equal(magText({ values: [value] }, state), `mag ${value.mag}`);
  assert.equal(magText({ values: [] }, { ...state, held_mag: "1" }), "mag 1 (held)");
});

test("what hasn't come yet has no value, and no id", () => {
  const viewer = viewerOf(volume(), { voxel: VOXEL });
  const hover = hoverAt(viewer, ...place(viewer, 70, 30));
  const seen = hover.values.map(({ label, text }) => [label, text]);
  assert.deepEqual(seen, [["c0", "…"], ["c1", "…"]]);
  assert.equal(labelOf(viewer, hover), null);
  viewer.state.set({ hover });
  viewer.load();
  refreshHover(viewer);
  assert.equal(viewer.state.get("hover").values.length, 3);
});

test("a failed tile says why", () => {
  const viewer = viewerOf(volume(), { voxel: VOXEL, zoom: 2 });
  const failed = viewer.addresses().find(({ request: { box, channel } }) => {
    return channel === 1 && box.x[0] <= 70 && 70 < box.x[1] && box.y[0] <= 30 && 30 < box.y[1];
  });
  viewer.load({ [failed.key]: "chunk c/0/1 is damaged" });
  const hover = hoverAt(viewer, ...place(viewer, 70, 30));
  assert.equal(hover.error, "chunk c/0/1 is damaged");
  assert.deepEqual(hover.values.map(({ text }) => text), ["30006", "unreadable", "30006"]);
  assert.equal(hoverAt(viewer, ...place(viewer, 20, 30)).error, "");
});

test("outside of the image there is nothing, between panes not even a position", () => {
  const viewer = viewerOf(volume(), { voxel: VOXEL, zoom: 0.5 });
  viewer.load();
  const hover = hoverAt(viewer, 1, 1);
  assert.deepEqual([hover.position, hover.values], ["outside of the image", []]);
  viewer.state.set({ layout: "ortho" });
  assert.equal(hoverAt(viewer, 200, 100), null);
});

test("the crosshair has its own voxel, also where many share a pixel of the screen", () => {
  const voxel = { ...VOXEL, x: 101, y: 51 };
  const viewer = viewerOf(volume(), { voxel, zoom: 0.1 });
  viewer.load();
  const seen = crosshairAt(viewer);
  assert.deepEqual(seen.voxel, voxel);
  assert.match(seen.position, /y 51 x 101$/);
  assert.equal(seen.values.length, 3);
  viewer.state.set({ center: { z: 0, y: 0, x: 9000 } });
  assert.deepEqual(crosshairAt(viewer).values, []);
});

test("values are exact, and no longer than that takes", () => {
  assert.equal(valueText(Math.fround(0.1), "float32"), "0.1");
  assert.equal(valueText(Math.fround(16777217.5), "float32"), "16777218");
  assert.equal(valueText(Math.fround(1 / 3), "float32"), "0.33333334");
  assert.equal(valueText(0.1 + 0.2, "float64"), "0.30000000000000004");
  assert.equal(valueText(NaN, "float32"), "NaN");
  assert.equal(valueText(18446744073709551615n, "uint64"), "18446744073709551615");
  assert.equal(loadingText(1), "1 tile loading");
  assert.equal(loadingText(0), "");
});
