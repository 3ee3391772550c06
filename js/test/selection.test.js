import assert from "node:assert/strict";
import { test } from "node:test";

import { toScreen } from "../src/geometry.js";
import { barOf } from "../src/ui/overlay.js";
import {
  boxBetween,
  gripAt,
  inPlane,
  lineLength,
  moved,
  withPoint,
  withoutPoint,
} from "../src/ui/selection.js";
import { flat, viewerOf, volume } from "./stand_in.js";

const START = { voxel: { t: 1, z: 3, y: 50, x: 100 } };
const between = (viewer, from, to, pane = viewer.panes()[0]) => {
  const { voxel } = viewer.state.values;
  const ends = [from, to].map((end) => ({ ...voxel, ...end }));
  return boxBetween(viewer.manifest, viewer.state.values, pane, ...ends);
};

test("a box holds the pixels it was drawn over, both ends, in any direction", () => {
  const viewer = viewerOf(volume(), START);
  const box = { kind: "box", lo: { z: 3, y: 10, x: 20 }, hi: { z: 4, y: 16, x: 31 } };
  assert.deepEqual(between(viewer, { x: 19.5, y: 10.4 }, { x: 30.49, y: 14.6 }), box);
  assert.deepEqual(between(viewer, { x: 30.49, y: 10.4 }, { x: 19.5, y: 14.6 }), box);
});

test("a box stays in the image", () => {
  const viewer = viewerOf(flat());
  const box = between(viewer, { x: -40, y: 90 }, { x: 20, y: 300 });
  assert.deepEqual(box, { kind: "box", lo: { y: 90, x: 0 }, hi: { y: 100, x: 21 } });
});

test("across the plane a box is as thick as the slab, or as the box before it", () => {
  const viewer = viewerOf(volume(), { ...START, slab: 4 });
  const depth = ({ lo, hi }) => [lo.z, hi.z];
  const draw = () => between(viewer, { x: 1, y: 1 }, { x: 9, y: 9 });
  assert.deepEqual(depth(draw()), [2, 5]);
  viewer.state.set({ slab: 99 });
  assert.deepEqual(depth(draw()), [0, 8]);
  const before = { kind: "box", lo: { z: 1, y: 0, x: 0 }, hi: { z: 6, y: 9, x: 9 } };
  viewer.state.set({ selection: before });
  assert.deepEqual(depth(draw()), [1, 6]);
  viewer.state.set({ slab: 1, voxel: { ...START.voxel, z: 6 } });
  assert.deepEqual(depth(draw()), [6, 7]);
});

test("a box is made three-dimensional by dragging its edges in another view", () => {
  const box = { kind: "box", lo: { z: 3, y: 40, x: 90 }, hi: { z: 4, y: 60, x: 110 } };
  const viewer = viewerOf(volume(), { ...START, layout: "ortho", zoom: 2, selection: box });
  const { manifest } = viewer;
  const pane = viewer.panes().find(({ plane }) => plane.join() === "x,z");
  const grip = (u, v) => gripAt(manifest, viewer.state.values, pane, ...toScreen(pane, u, v), 1);
  assert.equal(grip(100, 3), null);
  assert.deepEqual(grip(100, 3.5), { edges: { z: "hi" } });
  assert.deepEqual(grip(89.5, 2.5), { edges: { x: "lo", z: "lo" } });
  assert.equal(grip(80, 3.5), null);
  const pull = (edges, by) => moved(manifest, box, { edges }, pane, { x: 0, z: 0, ...by });
  assert.deepEqual(pull({ z: "hi" }, { z: 2.4 }).hi, { ...box.hi, z: 6 });
  assert.deepEqual(pull({ z: "hi" }, { z: 99 }).hi.z, 8);
  assert.deepEqual(pull({ z: "hi" }, { z: -99 }).hi.z, 4);
  assert.deepEqual(pull({ x: "lo", z: "lo" }, { x: -0.4, z: -1 }).lo, { z: 2, y: 40, x: 90 });
  assert.deepEqual(pull({ x: "lo" }, { x: 99 }).lo.x, 109);
  assert.deepEqual(box.hi.z, 4);
});

test("points are set once, seen in their plane, moved and removed", () => {
  const viewer = viewerOf(volume(), { ...START, zoom: 2, tool: "points" });
  const { manifest, state } = viewer;
  const [pane] = viewer.panes();
  const add = (voxel) =>
    state.set({
      selection: withPoint(manifest, state.get("selection"), { ...START.voxel, ...voxel }),
    });
  add({ x: 10.4, y: 20.6 });
  add({ x: 10, y: 21 });
  add({ x: 10, y: 23, z: 4 });
  const [first, second] = state.get("selection").points;
  assert.deepEqual(first, { t: 1, z: 3, y: 21, x: 10 });
  assert.equal(state.get("selection").points.length, 2);
  assert.ok(inPlane(manifest, state.values, pane, first));
  assert.ok(!inPlane(manifest, state.values, pane, second));
  assert.ok(!inPlane(manifest, state.values, pane, { ...first, t: 2 }));
  state.set({ slab: 3 });
  assert.ok(inPlane(manifest, state.values, pane, second));
  state.set({ slab: 1 });
  const at = toScreen(pane, 10, 22);
  assert.deepEqual(gripAt(manifest, state.values, pane, ...at, 6), { index: 0 });
  const shifted = moved(manifest, state.get("selection"), { index: 0 }, pane, { x: -30, y: 2.2 });
  assert.deepEqual(shifted.points, [{ ...first, x: 0, y: 23 }, second]);
  assert.deepEqual(withoutPoint(shifted, 0), { kind: "points", points: [second] });
  assert.deepEqual(withoutPoint({ kind: "points", points: [second] }, 0), {});
});

test("the ends of a line are held from any plane, and keep their place across it", () => {
  const points = [
    { t: 1, z: 0, y: 10, x: 10 },
    { t: 1, z: 6, y: 50, x: 40 },
  ];
  const selection = { kind: "line", points };
  const viewer = viewerOf(volume(), { ...START, selection, zoom: 2 });
  const [pane] = viewer.panes();
  const at = toScreen(pane, 40, 50);
  const grip = gripAt(viewer.manifest, viewer.state.values, pane, ...at, 1);
  assert.deepEqual(grip, { index: 1 });
  const line = moved(viewer.manifest, selection, grip, pane, { x: 1, y: 1 });
  assert.deepEqual(line.points[1], { t: 1, z: 6, y: 51, x: 41 });
});

test("a line's length is measured in the reference axis' unit", () => {
  const manifest = volume();
  // one voxel of z is as long as two of x
  const [a, b] = [{ t: 0, z: 0, y: 0, x: 0 }, { t: 2, z: 2, y: 3, x: 0 }];
  assert.equal(lineLength(manifest, [a, b]), 5);
  manifest.axes.find((axis) => axis.name === "x").scale = 0.25;
  assert.equal(lineLength(manifest, [a, b]), 1.25);
});

test("the scale bar is a round length of at most 30 % of its pane", () => {
  const viewer = viewerOf(volume(), { zoom: 2, layout: "ortho" });
  const [xy, , zy] = viewer.panes();
  assert.deepEqual(barOf(viewer.manifest, xy), { length: 20, width: 40, text: "20 px" });
  // 4 device pixels are a voxel of 0.5 µm; 201 of them are the pane
  assert.deepEqual(barOf(viewer.manifest, zy), { length: 5, width: 40, text: "5 µm" });
});
