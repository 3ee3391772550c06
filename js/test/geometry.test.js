import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import {
  chooseLevel,
  cover,
  fitZoom,
  keyOf,
  levelIndex,
  middleOf,
  panesOf,
  prefetchAlong,
  sampleAt,
  shownChannels,
  slabRange,
  tilesOf,
  toScreen,
  toVoxel,
  volumeLevels,
  volumeRect,
  wantedTiles,
  windowOf,
  zoomAt,
} from "../src/geometry.js";
import { axis, holding, layer, level, manifestOf, random, stateOf } from "./scenes.js";

const CASES = JSON.parse(readFileSync(new URL("geometry_cases.json", import.meta.url), "utf8"));

for (const one of CASES.cases) {
  test(`case: ${one.name}`, () => {
    const manifest = CASES.manifests[one.manifest];
    const state = { ...CASES.states[one.manifest], ...one.state };
    const { width, height, dpr } = one;
    const panes = panesOf(manifest, state, width, height, dpr);
    const got = panes.map((pane) => ({
      index: pane.index,
      plane: pane.plane,
      normal: pane.normal,
      rect: pane.rect,
      scale: pane.scale,
      corner: pane.corner,
      shown: shownChannels(manifest, state).map(({ layer: index, channel }) => {
        const chosen = chooseLevel(manifest.layers[index], pane, state.held_mag);
        const tiles = tilesOf(manifest, index, chosen, channel, pane, state);
        return { layer: index, channel, level: chosen, keys: tiles.map((t) => t.key).sort() };
      }),
    }));
    assert.deepEqual(got, one.panes);
    assert.deepEqual(volumeRect(manifest, state, width, height, dpr), one.volume);
  });
}

/** A pyramid of odd sizes, with factors that differ by axis and offsets of their own. */
function anyScene(next) {
  const pick = (list) => list[Math.floor(next() * list.length)];
  const axes = [
    axis("t", 3, 1, { type: "time" }),
    axis("z", 5 + Math.floor(next() * 40), pick([1, 2.5, 7])),
    axis("y", 9 + Math.floor(next() * 90), pick([1, 0.7])),
    axis("x", 9 + Math.floor(next() * 90)),
  ];
  const levels = [];
  const factor = { z: 1, y: 1, x: 1 };
  for (let i = 0; i < 4; i++) {
    const strided = next() < 0.3;
    const offset = strided ? { z: 0, y: 0, x: 0 } : {};
    const round = pick([Math.floor, Math.ceil]);
    const shape = Object.fromEntries(
      axes.map((a) => [a.name, Math.max(1, round(a.size / (factor[a.name] ?? 1)))]),
    );
    levels.push(level(axes, { ...factor }, { offset, tile: pick([3, 4, 7, 16]), shape }));
    factor.z *= pick([1, 2]);
    factor.y *= pick([2, 3]);
    factor.x *= pick([2, 3, 1.5]);
  }
  const manifest = manifestOf(axes, [layer(axes, levels, { channels: 2 })]);
  const near = (size) => (next() - 0.5) * size * 0.8 + size / 2;
  const state = stateOf(manifest, {
    zoom: Math.exp((next() - 0.6) * 4),
    layout: pick(["plane", "ortho"]),
    plane: pick(manifest.planes),
    center: Object.fromEntries(axes.slice(1).map((a) => [a.name, near(a.size)])),
    held_mag: next() < 0.2 ? pick(levels).mag : "",
  });
  return { manifest, state, dpr: pick([1, 1.5, 2]) };
}

/** All tiles of a channel that a pane could show, each kept with some probability. */
function someTiles(next, manifest, pane, state, share) {
  const { levels } = manifest.layers[0];
  return levels
    .flatMap((_, number) => tilesOf(manifest, 0, number, 1, pane, state))
    .filter(() => next() < share);
}

const inside = ([left, top, right, bottom], x, y) =>
  x >= left && x < right && y >= top && y < bottom;

/** The level's own pixel at a voxel, by the rule that all sides agree on. */
const pixelAt = (lvl, name, voxel) =>
  Math.floor((voxel - lvl.offset[name]) / lvl.factor[name] + 0.5);

/** Check each device pixel of a pane; return how many showed a pixel of which level. */
function checkPane(manifest, pane, state, shown) {
  const { levels } = manifest.layers[0];
  const chosen = chooseLevel(manifest.layers[0], pane, state.held_mag);
  const [u, v] = pane.plane;
  const counts = { hole: 0, outside: 0 };
  for (let y = 0; y < pane.rect.h; y++) {
    for (let x = 0; x < pane.rect.w; x++) {
      const voxels = [0, 1].map((i) => pane.corner[i] + ([x, y][i] + 0.5) / pane.scale[i]);
      const own = pane.plane.map((name, i) => pixelAt(levels[chosen], name, voxels[i]));
      const there = own.every((p, i) => p >= 0 && p < levels[chosen].shape[pane.plane[i]]);
      const quads = shown.quads.filter((quad) => inside(quad.screen, x + 0.5, y + 0.5));
      const holes = shown.holes.filter((hole) => inside(hole, x + 0.5, y + 0.5));
      assert.equal(quads.length + holes.length, there ? 1 : 0, `${x}, ${y}: drawn once or not`);
      const sample = sampleAt(shown, pane, pane.rect.x + x + 0.5, pane.rect.y + y + 0.5);
      assert.equal(sample === null, quads.length === 0);
      if (!sample) {
        counts[there ? "hole" : "outside"]++;
        continue;
      }
      const { request } = sample.tile;
      const lvl = levels[request.level];
      assert.equal(request.box[u][0] + sample.column, pixelAt(lvl, u, voxels[0]), "column");
      assert.equal(request.box[v][0] + sample.row, pixelAt(lvl, v, voxels[1]), "row");
      counts[request.level] = (counts[request.level] ?? 0) + 1;
    }
  }
  return counts;
}

test("each device pixel shows the very pixel of a level, once, whatever has arrived", () => {
  const seen = { levels: new Set(), holes: 0 };
  for (let seed = 1; seed <= 120; seed++) {
    const next = random(seed);
    const { manifest, state, dpr } = anyScene(next);
    const size = () => 20 + Math.floor(next() * 50);
    for (const pane of panesOf(manifest, state, size(), size(), dpr)) {
      const share = [0, 0.3, 0.7, 1][Math.floor(next() * 4)];
      const tiles = someTiles(next, manifest, pane, state, share);
      const shown = cover(manifest, 0, 1, pane, state, holding(tiles));
      const counts = checkPane(manifest, pane, state, shown);
      const chosen = chooseLevel(manifest.layers[0], pane, state.held_mag);
      if (share === 1) assert.equal(counts.hole, 0, "all tiles are there");
      for (const key of Object.keys(counts)) seen.levels.add(Number(key) - chosen);
      seen.holes += counts.hole;
    }
  }
  for (const step of [-1, 0, 1, 2]) assert.ok(seen.levels.has(step), `${step} levels coarser`);
  assert.ok(seen.holes > 0);
});

test("a device pixel on the very edge of pixels shows the later one", () => {
  const axes = [axis("y", 64), axis("x", 64)];
  const levels = [level(axes, {}, { tile: 8 }), level(axes, { x: 2, y: 2 }, { tile: 8 })];
  const manifest = manifestOf(axes, [layer(axes, levels, { channels: 2 })]);
  for (const zoom of [0.25, 0.5, 1, 2]) {
    // an even canvas around a whole voxel: device pixels' centres are at k + 0.5 voxels
    const state = stateOf(manifest, { zoom, center: { x: 32, y: 31 } });
    const [pane] = panesOf(manifest, state, 40, 30, 1);
    const tiles = someTiles(() => 0, manifest, pane, state, 1);
    const shown = cover(manifest, 0, 1, pane, state, holding(tiles));
    const counts = checkPane(manifest, pane, state, shown);
    assert.ok(counts[chooseLevel(manifest.layers[0], pane, "")] > 0);
  }
});

test("quads that meet share the same doubles", () => {
  for (let seed = 200; seed < 230; seed++) {
    const next = random(seed);
    const { manifest, state, dpr } = anyScene(next);
    for (const pane of panesOf(manifest, state, 60, 50, dpr)) {
      const tiles = someTiles(next, manifest, pane, state, 0.6);
      const { quads, holes } = cover(manifest, 0, 1, pane, state, holding(tiles));
      for (const i of [0, 1]) {
        const boxes = [...quads.map((quad) => quad.screen), ...holes];
        const edges = boxes.flatMap((box) => [box[i], box[i + 2]]);
        const sorted = [...new Set(edges)].sort((a, b) => a - b);
        sorted.slice(1).forEach((edge, n) => {
          assert.ok(edge - sorted[n] > 1e-7 * pane.scale[i], "edges are equal or clearly apart");
        });
      }
    }
  }
});

test("a failed tile is listed over what coarser data there is", () => {
  const axes = [axis("y", 16), axis("x", 16)];
  const levels = [level(axes, {}, { tile: 8 }), level(axes, { x: 2, y: 2 }, { tile: 8 })];
  const manifest = manifestOf(axes, [layer(axes, levels)]);
  const state = stateOf(manifest);
  const [pane] = panesOf(manifest, state, 16, 16, 1);
  const fine = tilesOf(manifest, 0, 0, 0, pane, state);
  const coarse = tilesOf(manifest, 0, 1, 0, pane, state);
  const broken = fine.find(({ request }) => request.box.x[0] === 8 && request.box.y[0] === 0);
  const rest = fine.filter((tile) => tile !== broken);
  const causes = { [broken.key]: "chunk 0/1 is corrupt" };

  const shown = cover(manifest, 0, 0, pane, state, holding([...rest, ...coarse], causes));
  assert.deepEqual(shown.failed, [
    { screen: [8, 0, 16, 8], cause: "chunk 0/1 is corrupt", key: broken.key },
  ]);
  const below = shown.quads.find((quad) => inside(quad.screen, 9, 1));
  assert.equal(below.tile.key, coarse[0].key);
  assert.deepEqual(below.texels, [4, 0, 8, 4]);
  assert.deepEqual(shown.holes, []);

  const quiet = cover(manifest, 0, 0, pane, state, holding(rest, { [broken.key]: "" }));
  assert.deepEqual(quiet.failed, [], "a tile that the source lacks is no failure");
  assert.deepEqual(quiet.holes, [[8, 0, 16, 8]]);
});

test("a failed coarse tile is no failure of what is shown", () => {
  const axes = [axis("y", 16), axis("x", 16)];
  const levels = [level(axes, {}, { tile: 8 }), level(axes, { x: 2, y: 2 }, { tile: 8 })];
  const manifest = manifestOf(axes, [layer(axes, levels)]);
  const state = stateOf(manifest);
  const [pane] = panesOf(manifest, state, 16, 16, 1);
  const [coarse] = tilesOf(manifest, 0, 1, 0, pane, state);
  const shown = cover(manifest, 0, 0, pane, state, holding([], { [coarse.key]: "corrupt" }));
  assert.deepEqual([shown.failed.length, shown.holes.length], [0, 4]);
});

test("edges of two levels that differ by rounding only are one", () => {
  const axes = [axis("y", 60), axis("x", 60)];
  for (const [f, o] of [[1.1, 0.1], [0.7, 0.3], [3.3, 1.7]]) {
    // both begin at the same place; a coarse tile is two fine ones
    const all = { offset: { x: o, y: o }, tile: 4, shape: { x: 40, y: 40 } };
    const fine = level(axes, { x: f, y: f }, all);
    const offset = { x: o + f / 2, y: o + f / 2 };
    const half = { offset, tile: 4, shape: { x: 20, y: 20 } };
    const levels = [fine, level(axes, { x: 2 * f, y: 2 * f }, half)];
    const manifest = manifestOf(axes, [layer(axes, levels)]);
    const state = stateOf(manifest, { zoom: 2.3, held_mag: fine.mag });
    const [pane] = panesOf(manifest, state, 1000, 1000, 1);
    const coarse = tilesOf(manifest, 0, 1, 0, pane, state);
    const { quads } = cover(manifest, 0, 0, pane, state, holding(coarse));
    assert.equal(quads.length, 100, "one for each absent fine tile");
    for (const { texels } of quads) assert.ok(texels.every(Number.isInteger), String(texels));
  }
});

test("levels: rounding of the zoom is forgiven, the finer of two alike is taken", () => {
  const axes = [axis("z", 9), axis("y", 90), axis("x", 90)];
  const factors = [{}, { x: 3, y: 3 }, { x: 3, y: 3, z: 3 }];
  const thick = layer(axes, factors.map((factor) => level(axes, factor)));
  const manifest = manifestOf(axes, [thick]);
  const at = (zoom) => panesOf(manifest, stateOf(manifest, { zoom }), 9, 9, 1)[0];
  assert.equal(chooseLevel(thick, at(1 / 3 + 1e-7), ""), 1);
  assert.equal(chooseLevel(thick, at(0.334), ""), 0);
  assert.equal(chooseLevel(thick, at(1 / 3), "3-3-3"), 2);
});

test("a level that ends before the image is followed by the next, then by the finer one", () => {
  const axes = [axis("y", 10), axis("x", 10)];
  const short = level(axes, { x: 4, y: 4 }, { shape: { x: 2, y: 2 }, tile: 2 });
  const levels = [level(axes, {}, { tile: 10 }), level(axes, { x: 2, y: 2 }, { tile: 5 }), short];
  const manifest = manifestOf(axes, [layer(axes, levels)]);
  const state = stateOf(manifest, { zoom: 0.5 });
  const [pane] = panesOf(manifest, state, 10, 10, 1);
  assert.equal(chooseLevel(manifest.layers[0], pane, ""), 1);
  const [fine] = tilesOf(manifest, 0, 0, 0, pane, state);
  const [coarse] = tilesOf(manifest, 0, 2, 0, pane, state);
  const { quads, holes } = cover(manifest, 0, 0, pane, state, holding([fine, coarse]));
  assert.deepEqual(holes, []);
  const from = (x, y) => quads.find((q) => inside(q.screen, x, y)).tile.request.level;
  const [x, y] = toScreen(pane, 6, 6);
  assert.equal(from(x, y), 2);
  const [fx, fy] = toScreen(pane, 9, 9);
  assert.equal(from(fx, fy), 0);
});

test("a held mag that would need too many tiles is shown around the centre", () => {
  const axes = [axis("y", 100_000), axis("x", 100_000)];
  const levels = [level(axes, {}, { tile: 256 }), level(axes, { x: 256, y: 256 }, { tile: 256 })];
  const manifest = manifestOf(axes, [layer(axes, levels)]);
  const state = stateOf(manifest, { zoom: 0.004, held_mag: "1-1" });
  const [pane] = panesOf(manifest, state, 400, 400, 1);
  const tiles = tilesOf(manifest, 0, 0, 0, pane, state);
  assert.equal(tiles.length, 32 * 32);
  for (const { request } of tiles) assert.ok(Math.abs(request.box.x[0] - 50_000) < 17 * 256);
  const coarse = tilesOf(manifest, 0, 1, 0, pane, state);
  const shown = cover(manifest, 0, 0, pane, state, holding([...tiles, ...coarse]));
  assert.deepEqual(shown.holes, []);
  assert.equal(shown.quads.filter((quad) => quad.tile.request.level === 0).length, 32 * 32);
  assert.ok(shown.quads.some((quad) => quad.tile.request.level === 1));
});

test("tiles come nearest to the centre first", () => {
  const axes = [axis("z", 90, 4), axis("y", 90), axis("x", 90)];
  const manifest = manifestOf(axes, [layer(axes, [level(axes, {}, { tile: 10 })])]);
  const state = stateOf(manifest, { plane: ["x", "z"], center: { x: 33, y: 5, z: 71 } });
  const [pane] = panesOf(manifest, state, 300, 300, 1);
  const tiles = tilesOf(manifest, 0, 0, 0, pane, state);
  const away = ({ request: { box } }) => {
    const [x, z] = ["x", "z"].map((name) => (box[name][0] + box[name][1] - 1) / 2);
    return (x - 33) ** 2 + ((z - 71) * 4) ** 2;
  };
  assert.ok(tiles.length > 50);
  tiles.slice(1).forEach((tile, n) => assert.ok(away(tiles[n]) <= away(tile) + 1e-6));
  assert.deepEqual(tiles[0].request.box, { z: [70, 80], y: [45, 46], x: [30, 40] });
});

test("tiles in view are those that some device pixel shows", () => {
  for (let seed = 300; seed < 340; seed++) {
    const { manifest, state, dpr } = anyScene(random(seed));
    for (const pane of panesOf(manifest, state, 60, 50, dpr)) {
      const chosen = chooseLevel(manifest.layers[0], pane, state.held_mag);
      const lvl = manifest.layers[0].levels[chosen];
      const listed = new Set(tilesOf(manifest, 0, chosen, 0, pane, state).map(({ key }) => key));
      const starts = pane.plane.map((name, i) => {
        const count = [pane.rect.w, pane.rect.h][i];
        const out = new Set();
        for (let x = 0; x < count; x++) {
          const p = pixelAt(lvl, name, pane.corner[i] + (x + 0.5) / pane.scale[i]);
          const start = Math.floor(p / lvl.tile[name]) * lvl.tile[name];
          if (p >= 0 && p < lvl.shape[name]) out.add(start);
        }
        return [...out];
      });
      const box = (name, start) => [start, Math.min(start + lvl.tile[name], lvl.shape[name])];
      const [u, v] = pane.plane;
      const fixed = Object.fromEntries(
        manifest.layers[0].axes
          .filter((name) => !pane.plane.includes(name))
          .map((name) => [name, levelIndex(lvl, name, state.voxel[name])])
          .map(([name, index]) => [name, [index, index + 1]]),
      );
      for (const su of starts[0]) {
        for (const sv of starts[1]) {
          const seen = { ...fixed, [u]: box(u, su), [v]: box(v, sv) };
          const request = { layer: 0, level: chosen, channel: 0, box: seen, order: [v, u] };
          assert.ok(listed.has(keyOf(request)), keyOf(request));
        }
      }
    }
  }
});

function stack({ channels = 1, labels = false, t = 1 } = {}) {
  const axes = [axis("t", t, 1, { type: "time" }), axis("z", 20), axis("y", 64), axis("x", 64)];
  const levels = [
    level(axes, {}, { tile: 16 }),
    level(axes, { x: 2, y: 2 }, { tile: 16 }),
    level(axes, { z: 2, x: 4, y: 4 }, { tile: 16 }),
  ];
  const layers = [layer(axes, levels, { channels })];
  if (labels) layers.push(layer(axes.slice(1), [levels[0]], { kind: "label", dtype: "uint64" }));
  return manifestOf(axes, layers);
}

test("what is wanted: coarsest first, then the level shown by turns, then the next coarser", () => {
  const manifest = stack({ channels: 3, labels: true });
  const state = stateOf(manifest, { voxel: { t: 0, z: 10, y: 32, x: 32 } });
  state.channels[1] = { ...state.channels[1], visible: false };
  const panes = panesOf(manifest, state, 32, 32, 1);
  const { visible, prefetch } = wantedTiles(manifest, state, panes);
  const brief = visible.map(({ request }) => [request.layer, request.channel, request.level]);
  assert.deepEqual(brief.slice(0, 2), [
    [0, 0, 2],
    [0, 2, 2],
  ]);
  assert.deepEqual(brief.slice(2, 8), [
    [0, 0, 0],
    [0, 2, 0],
    [1, 0, 0],
    [0, 0, 0],
    [0, 2, 0],
    [1, 0, 0],
  ]);
  const last = brief.filter(([, , lvl]) => lvl === 1);
  assert.deepEqual(brief.slice(-last.length), last);
  assert.ok(last.length >= 2);
  assert.ok(brief.every(([which, channel]) => which === 1 || channel !== 1), "hidden channel");

  const keys = visible.map((tile) => tile.key);
  assert.equal(new Set(keys).size, keys.length);
  assert.ok(prefetch.every((tile) => !keys.includes(tile.key)));
  const depths = prefetch.map(({ request }) => request.box.z[0]);
  assert.deepEqual([...new Set(depths)].sort(), [10, 11, 9].sort());
  const ring = prefetch.filter(({ request }) => request.box.z[0] === 10);
  assert.ok(ring.some(({ request }) => request.box.x[0] === 0));
  assert.ok(depths.lastIndexOf(11) < depths.indexOf(10), "neighbours come before the ring");
});

test("a tile that is wanted twice keeps the more urgent place", () => {
  const manifest = stack();
  const state = stateOf(manifest, { center: { z: 10, y: 30, x: 30 } });
  const [pane] = panesOf(manifest, state, 20, 20, 1);
  const beside = { ...pane, corner: [pane.corner[0] + 4, pane.corner[1]] };
  const order = (panes) =>
    wantedTiles(manifest, state, panes)
      .visible.filter(({ request }) => request.level === 0)
      .map((tile) => tile.key);
  const [first, second] = [order([pane]), order([beside])];
  assert.notEqual(first[0], second[0]);
  assert.deepEqual(new Set(first), new Set(second));
  assert.deepEqual(order([pane, beside]).slice(0, 2), [first[0], second[0]]);
});

test("coarser tiles are only kept in reserve when the level shown is there", () => {
  const manifest = stack();
  const state = stateOf(manifest);
  const panes = panesOf(manifest, state, 32, 32, 1);
  const { visible, prefetch } = wantedTiles(manifest, state, panes, () => true);
  assert.deepEqual(new Set(visible.map(({ request }) => request.level)), new Set([0]));
  const first = prefetch.slice(0, 2).map(({ request }) => request.level);
  assert.deepEqual(first.sort(), [1, 2]);
});

test("at a coarse level the neighbours are its own next planes, each once", () => {
  const manifest = stack();
  const state = stateOf(manifest, { zoom: 0.25, voxel: { t: 0, z: 10, y: 0, x: 0 } });
  const panes = panesOf(manifest, state, 16, 16, 1);
  const { visible, prefetch } = wantedTiles(manifest, state, panes);
  assert.deepEqual(visible.map(({ request }) => request.box.z), [[5, 6]]);
  assert.deepEqual(prefetch.map(({ request }) => request.box.z), [[6, 7], [4, 5]]);
});

test("playback asks for the next planes in its order, and begins again at the end", () => {
  const manifest = stack({ t: 4 });
  const state = stateOf(manifest, { zoom: 0.25, voxel: { t: 2, z: 10, y: 0, x: 0 } });
  const panes = panesOf(manifest, state, 16, 16, 1);
  const times = (tiles) => tiles.map(({ request }) => request.box.t[0]);
  assert.deepEqual(times(prefetchAlong(manifest, state, panes, "t", 1, 3)), [3, 0, 1]);
  assert.deepEqual(times(prefetchAlong(manifest, state, panes, "t", -1, 2)), [1, 0]);
  const depths = prefetchAlong(manifest, state, panes, "z", 1, 3);
  assert.deepEqual(depths.map(({ request }) => request.box.z), [[6, 7], [7, 8], [8, 9]]);
  assert.deepEqual(prefetchAlong(manifest, state, panes, "x", 1, 3), [], "x is in the plane");
});

test("slabs hold the pixels whose centres lie in them, of intensities only", () => {
  const axes = [axis("z", 40)];
  const by4 = level(axes, { z: 4 }); // centres at 1.5, 5.5, 9.5, ...
  assert.deepEqual(slabRange(by4, "z", 6, 1), [1, 2]);
  assert.deepEqual(slabRange(by4, "z", 6, 8), [1, 3], "2.5 to 9.5");
  assert.deepEqual(slabRange(by4, "z", 7, 3), [1, 2], "none from 6 to 8: the one at 7");
  assert.deepEqual(slabRange(by4, "z", 0, 20), [0, 3], "-9.5 to 9.5");
  assert.equal(slabRange(by4, "z", 60, 3), null);
  const manifest = stack({ labels: true });
  const state = stateOf(manifest, { slab: 5, voxel: { t: 0, z: 10, y: 0, x: 0 } });
  const [pane] = panesOf(manifest, state, 16, 16, 1);
  assert.deepEqual(tilesOf(manifest, 0, 0, 0, pane, state)[0].request.box.z, [8, 13]);
  assert.deepEqual(tilesOf(manifest, 1, 0, 0, pane, state)[0].request.box.z, [10, 11]);
  const beside = panesOf(manifest, { ...state, plane: ["x", "z"] }, 16, 16, 1);
  assert.deepEqual(tilesOf(manifest, 0, 0, 0, beside[0], state)[0].request.box.y, [0, 3]);
});

test("a level that was cut short shows its last pixel up to the image's end", () => {
  const axes = [axis("z", 7)];
  const short = level(axes, { z: 4 }, { shape: { z: 1 } }); // its one pixel spans -0.5 to 3.5
  assert.deepEqual([0, 3, 4, 6, 7].map((z) => levelIndex(short, "z", z)), [0, 0, 0, 0, 0]);
  assert.equal(levelIndex(short, "z", 7.5), null);
  assert.equal(levelIndex(short, "z", -4.5), 0);
  assert.equal(levelIndex(short, "z", -5), null);
});

test("places on the canvas and voxels are each other's inverse", () => {
  const manifest = stack();
  const state = stateOf(manifest, { layout: "ortho", zoom: 3.7 });
  for (const pane of panesOf(manifest, state, 301, 203, 1.5)) {
    const { rect } = pane;
    const [x, y] = toScreen(pane, ...toVoxel(pane, rect.x + 7, rect.y + 9));
    assert.ok(Math.abs(x - rect.x - 7) < 1e-9 && Math.abs(y - rect.y - 9) < 1e-9);
    const middle = toVoxel(pane, rect.x + rect.w / 2, rect.y + rect.h / 2);
    middle.forEach((voxel, i) => {
      assert.ok(Math.abs(voxel - state.center[pane.plane[i]]) < 1e-9);
    });
    const [[u0, u1]] = windowOf(pane);
    assert.ok(Math.abs((u1 - u0) * pane.scale[0] - rect.w) < 1e-9);
  }
});

test("zooming keeps what is under the cursor", () => {
  const manifest = stack();
  const state = stateOf(manifest, { layout: "ortho", zoom: 0.8 });
  const pane = panesOf(manifest, state, 300, 200, 2)[2];
  const [x, y] = [pane.rect.x + 21, pane.rect.y + 33];
  const before = toVoxel(pane, x, y);
  const changes = zoomAt(state, manifest, pane, x, y, 1.7);
  assert.equal(changes.zoom, 0.8 * 1.7);
  assert.equal(changes.center.x, state.center.x, "not in this pane");
  const after = panesOf(manifest, { ...state, ...changes }, 300, 200, 2)[2];
  toVoxel(after, x, y).forEach((voxel, i) => assert.ok(Math.abs(voxel - before[i]) < 1e-9));
});

test("fitting shows all of the image in each pane, and touches the sides of one", () => {
  const axes = [axis("z", 10, 9), axis("y", 70), axis("x", 50)];
  const manifest = manifestOf(axes, [layer(axes, [level(axes, {})])]);
  const state = stateOf(manifest, { layout: "ortho", zoom: 0, center: middleOf(manifest) });
  const zoom = fitZoom(manifest, panesOf(manifest, state, 500, 400, 2), 2);
  const slack = panesOf(manifest, { ...state, zoom }, 500, 400, 2).flatMap((pane) => {
    return windowOf(pane).map(([start, stop], i) => {
      const { size } = axes.find((a) => a.name === pane.plane[i]);
      return Math.min(-0.5 - start, stop - (size - 0.5));
    });
  });
  assert.ok(Math.abs(Math.min(...slack)) < 1e-9);
});

test("the volume is of the finest level that fits", () => {
  const manifest = stack({ channels: 2, labels: true, t: 3 });
  manifest.layers[0].dtype = "uint16";
  const state = stateOf(manifest, { voxel: { t: 2, z: 0, y: 0, x: 0 } });
  const bricks = volumeLevels(manifest, state, 20 * 32 * 32);
  assert.deepEqual(bricks.map(({ layer: l, channel }) => [l, channel]), [[0, 0], [0, 1]]);
  const { request, bytes } = bricks[1].address;
  assert.deepEqual(request, {
    layer: 0,
    level: 1,
    channel: 1,
    box: { t: [2, 3], z: [0, 20], y: [0, 32], x: [0, 32] },
    order: ["z", "y", "x"],
  });
  assert.equal(bytes, 20 * 32 * 32 * 2);
  assert.equal(volumeLevels(manifest, state)[0].address.request.level, 0);
  assert.equal(volumeLevels(manifest, state, 1)[0].address.request.level, 2, "the coarsest");
  const flat = [axis("y", 9), axis("x", 9)];
  const plain = manifestOf(flat, [layer(flat, [level(flat, {})])]);
  assert.deepEqual(volumeLevels(plain, stateOf(plain)), []);
});

test("layers without an axis of the plane aren't shown; without the normal they always are", () => {
  const manifest = stack();
  const [, , y, x] = manifest.axes;
  manifest.layers.push(layer([y, x], [level([y, x], {}, { tile: 64 })]));
  const state = stateOf(manifest, { layout: "ortho" });
  const panes = panesOf(manifest, state, 100, 100, 1);
  const counts = panes.map((pane) => tilesOf(manifest, 1, 0, 0, pane, state).length);
  assert.deepEqual(counts, [1, 0, 0]);
  assert.deepEqual(cover(manifest, 1, 0, panes[1], state, holding([])).holes, []);
  assert.equal(cover(manifest, 1, 0, panes[0], state, holding([])).holes.length, 1);
});
