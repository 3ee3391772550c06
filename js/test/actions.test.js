import assert from "node:assert/strict";
import { test } from "node:test";

import { toVoxel } from "../src/geometry.js";
import { ACTIONS } from "../src/ui/actions.js";
import { actionOf, keyTable } from "../src/ui/keys.js";
import { drawingOf, shownSelection } from "../src/ui/selection.js";
import { flat, viewerOf, volume } from "./stand_in.js";

/** Press a key on a viewer; "Shift+f" is as a keyboard says it. */
function press(viewer, ...keys) {
  for (const text of keys) {
    const parts = text === "+" ? ["+"] : text.split("+");
    const key = parts.pop();
    const held = (name) => parts.includes(name);
    const [name, argument] = actionOf(stroke(key, held)) ?? assert.fail(`${text} does nothing`);
    ACTIONS[name].run(viewer, argument);
  }
  return viewer.state.values;
}

const stroke = (key, held = () => false, more = {}) => ({
  key,
  shiftKey: held("Shift"),
  altKey: held("Alt"),
  ctrlKey: held("Ctrl"),
  metaKey: held("Meta"),
  getModifierState: (name) => held(name),
  ...more,
});

const START = { voxel: { t: 1, z: 3, y: 50, x: 100 } };

test("F and D step along the normal, Shift ten, within the image", () => {
  const viewer = viewerOf(volume(), START);
  assert.equal(press(viewer, "f").voxel.z, 4);
  assert.equal(press(viewer, "d", "d").voxel.z, 2);
  assert.equal(press(viewer, ".").voxel.z, 3);
  assert.equal(press(viewer, ",").voxel.z, 2);
  assert.equal(press(viewer, "Shift+F").voxel.z, 7);
  assert.equal(press(viewer, "Shift+D").voxel.z, 0);
  assert.deepEqual(viewer.state.get("voxel"), { ...START.voxel, z: 0 });
});

test("a step is a pixel of the level that is shown, along the active pane's normal", () => {
  const viewer = viewerOf(volume(), { ...START, zoom: 0.4 });
  assert.equal(press(viewer, "f").voxel.z, 5);
  const ortho = viewerOf(volume(), { ...START, layout: "ortho", pane: 1 });
  assert.equal(press(ortho, "f").voxel.y, 51);
  ortho.state.set({ pane: 2 });
  assert.equal(press(ortho, "d").voxel.x, 99);
  const image = viewerOf(flat());
  const before = image.state.get("voxel");
  assert.deepEqual(press(image, "f").voxel, before);
});

test("brackets step in time, as German keyboards write them too", () => {
  const viewer = viewerOf(volume(), START);
  assert.equal(press(viewer, "]").voxel.t, 2);
  assert.equal(press(viewer, "]").voxel.t, 2);
  assert.equal(press(viewer, "[").voxel.t, 1);
  const held = (name) => ["AltGraph", "Ctrl", "Alt"].includes(name);
  assert.deepEqual(actionOf(stroke("]", held)), ["axis", 1]);
});

test("arrows pan by parts of the pane; the crosshair stays", () => {
  const viewer = viewerOf(volume(), { ...START, zoom: 2, center: { z: 3.5, y: 49.5, x: 99.5 } });
  assert.equal(press(viewer, "Shift+ArrowRight").center.x, 99.5 + 400 / 4 / 2);
  assert.equal(press(viewer, "ArrowUp").center.y, 49.5 - 200 / 16 / 2);
  assert.deepEqual(viewer.state.get("voxel"), START.voxel);
});

test("the volume is turned by arrows", () => {
  const viewer = viewerOf(volume(), { layout: "volume", turn: [170, 80] });
  assert.deepEqual(press(viewer, "Shift+ArrowRight").turn, [-167.5, 80]);
  assert.deepEqual(press(viewer, "Shift+ArrowUp").turn, [-167.5, 90]);
  const ortho = viewerOf(volume(), { layout: "ortho", pane: 3 });
  const { center } = ortho.state.values;
  assert.deepEqual(press(ortho, "ArrowLeft").turn, [-5.625, 0]);
  assert.deepEqual(ortho.state.get("center"), center);
});

test("zoom keeps what is under the cursor, else the middle, and has its limits", () => {
  const viewer = viewerOf(volume(), { hover: { pane: 0, x: 30, y: 40, values: [] } });
  const under = () => toVoxel(viewer.panes()[0], 30.5, 40.5).map((v) => v.toFixed(9));
  const before = under();
  assert.equal(press(viewer, "i").zoom, 1.25);
  assert.deepEqual(under(), before);
  assert.equal(press(viewer, "-").zoom, 1);
  viewer.state.set({ hover: null });
  const { center } = viewer.state.values;
  assert.equal(press(viewer, "+", "+").zoom, 1.5625);
  assert.deepEqual(viewer.state.get("center"), center);
  assert.equal(press(viewer, ...Array(40).fill("i")).zoom, 64);
  assert.equal(press(viewer, ...Array(90).fill("o")).zoom, 2 / 64);
  assert.equal(press(viewer, "z").zoom, 1);
  assert.equal(press(viewer, "0").zoom, 2);
});

test("fit and reset show all of the image", () => {
  const lost = { zoom: 9, center: { z: 0, y: 900, x: -4 }, held_mag: "2-2-2-1", maximised: 2 };
  const viewer = viewerOf(volume(), { ...lost, layout: "ortho" });
  const fitted = press(viewer, "0");
  assert.deepEqual(fitted.center, { z: 3.5, y: 49.5, x: 99.5 });
  assert.equal(fitted.zoom, 99 / 100);
  assert.equal(fitted.held_mag, lost.held_mag);
  const { held_mag, maximised, zoom } = press(viewer, "r");
  assert.deepEqual([held_mag, maximised, zoom], ["", -1, 99 / 100]);
});

test("the crosshair goes to the nearest pixel; panes that don't show it follow", () => {
  const viewer = viewerOf(volume(), { ...START, layout: "ortho", zoom: 2 });
  const { center } = viewer.state.values;
  ACTIONS.position.run(viewer, { t: 1, z: 3, y: 49.5, x: 99.49 });
  assert.deepEqual(viewer.state.get("voxel"), { t: 1, z: 3, y: 50, x: 99 });
  assert.deepEqual(viewer.state.get("center"), center);
  ACTIONS.position.run(viewer, { t: 1, z: 3, y: 900, x: -7 });
  assert.deepEqual(viewer.state.get("voxel"), { t: 1, z: 3, y: 99, x: 0 });
  assert.deepEqual(viewer.state.get("center"), { ...center, y: 99, x: 0 });
  assert.deepEqual(press(viewer, "Alt+ArrowRight", "Alt+Shift+ArrowUp").voxel.x, 1);
  assert.equal(viewer.state.get("voxel").y, 89);
});

test("P plays time, else the normal, and stops", () => {
  const viewer = viewerOf(volume());
  assert.equal(press(viewer, "p").playing, "t");
  assert.equal(press(viewer, "p").playing, null);
  ACTIONS.play.run(viewer, "z");
  ACTIONS.play.run(viewer, "t");
  assert.equal(viewer.state.get("playing"), "t");
  const still = volume();
  still.axes[0].size = 1;
  assert.equal(press(viewerOf(still), "p").playing, "z");
  assert.equal(press(viewerOf(flat()), "p").playing, null);
});

test("channels and labels go on and off", () => {
  const viewer = viewerOf(volume());
  const seen = (state) => [...state.channels, ...state.labels].map(({ visible }) => visible);
  assert.deepEqual(seen(press(viewer, "2")), [true, false, true]);
  assert.deepEqual(seen(press(viewer, "2", "1", "9")), [false, true, true]);
  assert.deepEqual(seen(press(viewer, "l")), [false, true, false]);
  assert.equal(press(viewer, "Shift+L").labels[0].seed, 0);
  assert.equal(press(viewer, "l", "Shift+L").labels[0].seed, 1);
  // digits that need Shift count by their place
  assert.deepEqual(actionOf(stroke("é", undefined, { code: "Digit2" })), ["channel", 1]);
});

test("layouts, planes and panes follow one another", () => {
  const viewer = viewerOf(volume(), { layout: "plane" });
  assert.equal(press(viewer, "t").layout, "ortho");
  assert.equal(press(viewer, "w").pane, 1);
  assert.equal(press(viewer, " ").maximised, 1);
  assert.equal(press(viewer, "w").maximised, 2);
  assert.equal(press(viewer, " ").maximised, -1);
  assert.equal(press(viewer, "t").layout, "volume");
  assert.equal(press(viewer, "t").layout, "plane");
  assert.deepEqual(press(viewer, "y").plane, ["x", "z"]);
  ACTIONS.plane.run(viewer, ["z", "y"]);
  assert.deepEqual(press(viewer, "y").plane, ["x", "y"]);
  ACTIONS.layout.run(viewer, "ortho");
  assert.equal(viewer.state.get("layout"), "ortho");
  const image = viewerOf(flat());
  assert.equal(press(image, "t").layout, "plane");
});

test("who sees the whole image does so in another layout, who has zoomed keeps the zoom", () => {
  const viewer = viewerOf(volume());
  press(viewer, "0");
  const whole = viewer.state.get("zoom");
  // a pane has half the canvas, less the gap
  const ratio = press(viewer, "t").zoom / whole;
  assert.ok(ratio > 0.45 && ratio < 0.5, String(ratio));
  press(viewer, "t", "t");
  assert.equal(viewer.state.get("zoom"), whole);
  viewer.state.set({ zoom: 2 * whole });
  assert.equal(press(viewer, "t").zoom, 2 * whole);
  assert.equal(press(viewer, "y").zoom, 2 * whole);
});

test("mags are held finer and coarser, and let go", () => {
  const viewer = viewerOf(volume());
  const [fine, coarse] = viewer.manifest.layers[0].levels.map((l) => l.mag);
  assert.equal(press(viewer, "k").held_mag, coarse);
  assert.equal(press(viewer, "k").held_mag, coarse);
  assert.equal(press(viewer, "j").held_mag, fine);
  assert.equal(press(viewer, "Shift+J").held_mag, "");
});

test("what is shown besides is switched, and tiles are tried again", () => {
  const viewer = viewerOf(volume());
  const switches = { b: "scalebar", c: "crosshair", s: "panel", h: "help" };
  for (const [key, name] of Object.entries(switches)) {
    const before = viewer.state.get(name);
    assert.equal(press(viewer, key)[name], !before);
    assert.equal(press(viewer, key)[name], before);
  }
  assert.equal(press(viewer, "?").help, true);
  press(viewer, "Shift+R");
  assert.ok(viewer.retried);
});

test("keys draw a box: two corners at the crosshair", () => {
  const viewer = viewerOf(volume(), START);
  press(viewer, "x", "Enter");
  assert.equal(viewer.state.get("tool"), "box");
  assert.deepEqual(viewer.state.get("selection"), {});
  press(viewer, "Alt+Shift+ArrowRight", "Alt+ArrowUp");
  const drawn = { kind: "box", lo: { z: 3, y: 49, x: 100 }, hi: { z: 4, y: 51, x: 111 } };
  assert.deepEqual(shownSelection(viewer, viewer.panes()[0]), drawn);
  press(viewer, "Enter");
  assert.deepEqual(viewer.state.get("selection"), drawn);
  press(viewer, "Enter", "f", "f", "Enter");
  assert.deepEqual(viewer.state.get("selection").lo.z, 3);
  assert.deepEqual(viewer.state.get("selection").hi.z, 6);
});

test("keys draw a line and points, and remove them", () => {
  const viewer = viewerOf(volume(), START);
  press(viewer, "m", "Enter", "f", "Alt+ArrowRight", "Enter");
  const end = { t: 1, z: 4, y: 50, x: 101 };
  assert.deepEqual(viewer.state.get("selection"), { kind: "line", points: [START.voxel, end] });
  press(viewer, "n", "Enter", "Enter", "Alt+Shift+ArrowRight", "Enter");
  const far = { ...end, x: 111 };
  assert.deepEqual(viewer.state.get("selection"), { kind: "points", points: [end, far] });
  press(viewer, "Alt+Enter");
  assert.deepEqual(viewer.state.get("selection"), { kind: "points", points: [end] });
  press(viewer, "Alt+Shift+ArrowLeft", "Alt+Enter");
  assert.deepEqual(viewer.state.get("selection"), {});
});

test("Escape undoes one thing at a time, Delete all", () => {
  const points = { kind: "points", points: [START.voxel] };
  const viewer = viewerOf(volume(), { ...START, tool: "box", selection: points });
  const chosen = viewer.state.get("labels").map((layer) => ({ ...layer, selected: ["7"] }));
  viewer.state.set({ labels: chosen });
  press(viewer, "Enter", "Escape");
  assert.equal(drawingOf(viewer).anchor, null);
  assert.deepEqual(viewer.state.get("selection"), points);
  assert.deepEqual(press(viewer, "Escape").selection, {});
  assert.deepEqual(viewer.state.get("labels"), chosen);
  assert.deepEqual(press(viewer, "Escape").labels[0].selected, []);
  assert.equal(viewer.state.get("tool"), "box");
  assert.equal(press(viewer, "Escape").tool, "pan");
  viewer.state.set({ labels: chosen, selection: points });
  assert.deepEqual(press(viewer, "Delete").selection, {});
  assert.deepEqual(viewer.state.get("labels")[0].selected, []);
});

test("Enter selects the label at the crosshair; with Shift more", () => {
  const viewer = viewerOf(volume(), START);
  viewer.load();
  press(viewer, "Enter");
  const [id] = viewer.state.get("labels")[0].selected;
  // tiles tell their row and column; the crosshair is in the second of them along x
  assert.equal(id, String(1000 * 50 + (100 - 64)));
  press(viewer, "Alt+ArrowRight", "Shift+Enter");
  assert.deepEqual(viewer.state.get("labels")[0].selected, [id, String(Number(id) + 1)]);
  press(viewer, "Shift+Enter");
  assert.deepEqual(viewer.state.get("labels")[0].selected, [id]);
});

test("other combinations are left to the page", () => {
  const ctrl = (name) => name === "Ctrl";
  assert.equal(actionOf(stroke("c", ctrl)), null);
  assert.equal(actionOf(stroke("s", (name) => name === "Meta")), null);
  assert.equal(actionOf(stroke("f", (name) => name === "Alt")), null);
  assert.equal(actionOf(stroke("Tab")), null);
  assert.equal(actionOf(stroke("f", undefined, { isComposing: true })), null);
  assert.deepEqual(actionOf(stroke("а", undefined, { code: "KeyF" })), ["step", 1]);
});

test("no key has two meanings, and each action is in the list of keys", () => {
  const keys = Object.values(ACTIONS).flatMap((action) => Object.keys(action.keys));
  assert.deepEqual([...new Set(keys)].length, keys.length);
  const rows = keyTable();
  assert.ok(rows.every((row) => row.label && row.group && (row.keys || row.mouse)));
  assert.equal(rows.find((row) => row.name === "maximise")?.keys, "Space");
});
