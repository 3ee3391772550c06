/**
 * Mouse, touch, wheel and keys on the canvas.
 *
 * @typedef {import("../types.js").Viewer} Viewer
 * @typedef {import("../types.js").Pane} Pane
 * @typedef {import("../types.js").Selection} Selection
 * @typedef {import("./selection.js").Grip} Grip
 *
 * @typedef {object} Drag
 * @property {"pan" | "turn" | "cross" | "draw" | "grip" | "pinch"} kind
 * @property {Pane | null} pane   none in the volume
 * @property {[number, number]} from   where it began, device pixels
 * @property {[number, number]} at   where it is
 * @property {boolean} begun   whether it has gone far enough to be no click
 * @property {Grip | null} grip
 * @property {Selection} base   the selection when it began
 * @property {Record<string, number>} voxel   where it began
 *
 * @typedef {object} Session
 * @property {Viewer} viewer
 * @property {Map<number, [number, number]>} pointers   those that are down
 * @property {Drag | null} drag
 * @property {[number, number] | null} cursor
 * @property {number} waiting   animation frame in which the cursor is looked at
 * @property {{sum: number, time: number}} wheel
 */
import { toVoxel } from "../geometry.js";
import { ACTIONS } from "./actions.js";
import { listeners } from "./dom.js";
import { actionOf } from "./keys.js";
import { TURN, pan, paneNow, step, turn, zoomBy } from "./moves.js";
import { redraw } from "./overlay.js";
import { hoverAt } from "./readout.js";
import { REACH, drawingOf, drawn, gripAt, moved } from "./selection.js";

/** A press that moves less is a click, in CSS pixels. */
const STILL = { mouse: 3, touch: 8 };

/** A notch of a wheel is at least this long; the many small deltas of trackpads add up to it. */
const NOTCH = 50;

/** Pixels that lines and pages of a wheel stand for. */
const UNITS = [1, 20, 400];

/**
 * Listen to mouse, touch, wheel and keys.
 * @param {Viewer} viewer
 * @returns {{dispose: () => void}}
 */
export function mountInput(viewer) {
  const { canvas, state } = viewer;
  const { on, also, stop } = listeners();
  /** @type {Session} */
  const session = {
    viewer,
    pointers: new Map(),
    drag: null,
    cursor: null,
    waiting: 0,
    wheel: { sum: 0, time: 0 },
  };
  on(canvas, "pointerdown", (event) => press(session, event));
  on(canvas, "pointermove", (event) => move(session, event));
  on(canvas, "pointerup", (event) => release(session, event, true));
  on(canvas, "pointercancel", (event) => release(session, event, false));
  on(canvas, "pointerleave", () => {
    session.cursor = null;
    look(session);
  });
  on(canvas, "dblclick", (event) => {
    const found = viewer.at(...placeOf(viewer, event));
    if (found && state.get("tool") === "pan") viewer.act("position", found.voxel);
  });
  on(canvas, "contextmenu", (event) => {
    event.preventDefault();
    event.stopPropagation();
  });
  on(canvas, "wheel", (event) => roll(session, event), { passive: false });
  on(canvas, "keydown", (event) => type(viewer, event));
  also(() => cancelAnimationFrame(session.waiting));
  return { dispose: stop };
}

/**
 * @param {Viewer} viewer
 * @param {MouseEvent} event
 * @returns {[number, number]} device pixels of the canvas
 */
function placeOf({ canvas }, event) {
  const box = canvas.getBoundingClientRect();
  return [
    ((event.clientX - box.left) * canvas.width) / box.width,
    ((event.clientY - box.top) * canvas.height) / box.height,
  ];
}

/** @param {Session} session @param {PointerEvent} event */
function press(session, event) {
  const { viewer, pointers } = session;
  const at = placeOf(viewer, event);
  viewer.canvas.focus({ preventScroll: true });
  viewer.canvas.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, at);
  const found = viewer.at(...at);
  const pane = found?.pane ?? null;
  const ortho = viewer.state.get("layout") === "ortho";
  if (pane || (ortho && inVolumePane(viewer, at))) viewer.state.set({ pane: pane?.index ?? 3 });
  drawingOf(viewer).selection = null;
  session.drag = {
    ...begin(viewer, event, pane, at),
    pane,
    from: at,
    at,
    begun: false,
    base: viewer.state.get("selection"),
    voxel: found?.voxel ?? viewer.state.get("voxel"),
  };
  if (pointers.size > 1) session.drag = { ...session.drag, kind: "pinch", at: middle(pointers) };
  if (session.drag.kind === "cross") follow(session, session.drag);
}

/** @param {Viewer} viewer @param {[number, number]} at */
function inVolumePane(viewer, [x, y]) {
  const [first] = viewer.panes();
  return !first || (x >= first.rect.x + first.rect.w && y >= first.rect.y + first.rect.h);
}

/**
 * What a press is the beginning of.
 * @param {Viewer} viewer
 * @param {PointerEvent} event
 * @param {Pane | null} pane
 * @param {[number, number]} at
 * @returns {{kind: Drag["kind"], grip: Grip | null}}
 */
function begin({ manifest, state, dpr }, event, pane, at) {
  if (!pane) return { kind: "turn", grip: null };
  if (event.button === 2) return { kind: "cross", grip: null };
  const tool = state.get("tool");
  if (event.button !== 0 || tool === "pan") return { kind: "pan", grip: null };
  const grip = toolFits(state.values) && gripAt(manifest, state.values, pane, ...at, REACH * dpr);
  if (grip && !event.altKey) return { kind: "grip", grip };
  return { kind: tool === "points" ? "pan" : "draw", grip: null };
}

/** @param {{tool: string, selection: Selection}} state */
function toolFits({ tool, selection }) {
  return "kind" in selection && selection.kind === tool;
}

/** @param {Map<number, [number, number]>} pointers @returns {[number, number]} */
function middle(pointers) {
  const [a, b] = pointers.values();
  return [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
}

/** @param {Session} session @param {PointerEvent} event */
function move(session, event) {
  const { viewer, pointers, drag } = session;
  const at = placeOf(viewer, event);
  if (event.pointerType !== "touch") {
    session.cursor = [Math.floor(at[0]), Math.floor(at[1])];
    look(session);
  }
  if (!drag || !pointers.has(event.pointerId)) return;
  if (drag.kind === "pinch") return pinch(session, drag, event.pointerId, at);
  const still = STILL[event.pointerType === "touch" ? "touch" : "mouse"] * viewer.dpr;
  if (!drag.begun && Math.hypot(at[0] - drag.from[0], at[1] - drag.from[1]) < still) return;
  const before = drag.at;
  drag.at = at;
  // Escape has taken away what was being drawn
  if (drag.begun && !drawingOf(viewer).selection && /draw|grip/.test(drag.kind)) return;
  drag.begun = true;
  follow(session, drag, before);
}

/**
 * Do what a drag does.
 * @param {Session} session
 * @param {Drag} drag
 * @param {[number, number]} [before] where it was
 */
function follow({ viewer }, drag, before = drag.at) {
  const { manifest, state, dpr } = viewer;
  const [dx, dy] = [drag.at[0] - before[0], drag.at[1] - before[1]];
  if (drag.kind === "turn") turn(viewer, (dx / dpr) * TURN, (-dy / dpr) * TURN);
  if (!drag.pane) return;
  const pane = paneNow(viewer, drag.pane);
  if (drag.kind === "pan") return pan(viewer, pane, -dx, -dy);
  const [u, v] = toVoxel(pane, ...within(pane.rect, drag.at));
  const voxel = { ...drag.voxel, [pane.plane[0]]: u, [pane.plane[1]]: v };
  if (drag.kind === "cross") return viewer.act("position", voxel);
  const drawing = drawingOf(viewer);
  if (drag.grip) {
    const by = Object.fromEntries(pane.plane.map((a) => [a, voxel[a] - drag.voxel[a]]));
    drawing.selection = moved(manifest, drag.base, drag.grip, pane, by);
  } else {
    drawing.selection = drawn(manifest, state.values, pane, drag.voxel, voxel);
  }
  redraw(viewer);
}

/**
 * @param {Pane["rect"]} rect
 * @param {[number, number]} at
 * @returns {[number, number]}
 */
function within({ x, y, w, h }, at) {
  return [Math.min(Math.max(at[0], x), x + w - 1), Math.min(Math.max(at[1], y), y + h - 1)];
}

/**
 * @param {Session} session
 * @param {Drag} drag
 * @param {number} id
 * @param {[number, number]} at
 */
function pinch({ viewer, pointers }, drag, id, at) {
  const length = () => {
    const [a, b] = pointers.values();
    return Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]));
  };
  const before = length();
  pointers.set(id, at);
  const [x, y] = middle(pointers);
  if (drag.pane) pan(viewer, paneNow(viewer, drag.pane), drag.at[0] - x, drag.at[1] - y);
  zoomBy(viewer, length() / before, { pane: drag.pane, x, y });
  drag.at = [x, y];
}

/**
 * @param {Session} session
 * @param {PointerEvent} event
 * @param {boolean} ends false: it was broken off
 */
function release(session, event, ends) {
  const { viewer, pointers, drag } = session;
  if (!pointers.delete(event.pointerId) || !drag) return;
  session.drag = null;
  const drawing = drawingOf(viewer);
  const { selection } = drawing;
  drawing.selection = null;
  if (ends && drag.begun && selection) viewer.state.set({ selection });
  else if (ends && !drag.begun && drag.kind !== "pinch" && event.button === 0) {
    click(viewer, drag, event);
  }
  look(session);
}

/** @param {Viewer} viewer @param {Drag} drag @param {PointerEvent} event */
function click(viewer, { pane, from: [x, y], voxel }, event) {
  if (!pane) return;
  const tool = viewer.state.get("tool");
  const add = event.ctrlKey || event.metaKey || event.shiftKey;
  if (tool === "pan") {
    viewer.act("pick", { hover: hoverAt(viewer, Math.floor(x), Math.floor(y)), add });
  }
  if (tool === "points") viewer.act("point", { pane, voxel, x, y, remove: event.altKey });
}

/**
 * Tell what is under the cursor, once for each animation frame.
 * @param {Session} session
 */
function look(session) {
  session.waiting ||= requestAnimationFrame(() => {
    session.waiting = 0;
    const { viewer, cursor, drag } = session;
    viewer.state.set({ hover: cursor && hoverAt(viewer, ...cursor) });
    viewer.canvas.style.cursor = shape(viewer, cursor, drag);
  });
}

/**
 * @param {Viewer} viewer
 * @param {[number, number] | null} cursor
 * @param {Drag | null} drag
 */
function shape(viewer, cursor, drag) {
  const { manifest, state, dpr } = viewer;
  if (drag && drag.begun && /pan|turn|pinch/.test(drag.kind)) return "grabbing";
  const tool = state.get("tool");
  const pane = cursor && viewer.at(...cursor)?.pane;
  if (!pane || !cursor || tool === "pan") return "default";
  const grip =
    drag?.grip ??
    (toolFits(state.values) ? gripAt(manifest, state.values, pane, ...cursor, REACH * dpr) : null);
  if (!grip) return "crosshair";
  if ("index" in grip) return "move";
  const [u, v] = pane.plane.map((name) => grip.edges[name]);
  if (u && v) return u === v ? "nwse-resize" : "nesw-resize";
  return u ? "ew-resize" : "ns-resize";
}

/** @param {Session} session @param {WheelEvent} event */
function roll({ viewer, wheel }, event) {
  // the notebook scrolls until the viewer is what one works with
  if (!viewer.root.matches(":focus-within")) return;
  event.preventDefault();
  event.stopPropagation();
  const delta = (event.deltaY || (event.shiftKey ? event.deltaX : 0)) * UNITS[event.deltaMode];
  const [x, y] = placeOf(viewer, event);
  const pane = viewer.at(x, y)?.pane ?? null;
  if (event.ctrlKey || event.metaKey || !pane?.normal) {
    const most = Math.min(Math.max(delta, -60), 60);
    return zoomBy(viewer, 2 ** (-most / 100), { pane, x, y });
  }
  if (event.timeStamp - wheel.time > 250 || wheel.sum * delta < 0) wheel.sum = 0;
  wheel.time = event.timeStamp;
  wheel.sum += delta;
  if (Math.abs(wheel.sum) < NOTCH) return;
  step(viewer, Math.sign(wheel.sum) * (event.shiftKey ? 10 : 1), pane);
  wheel.sum = 0;
}

/** @param {Viewer} viewer @param {KeyboardEvent} event */
function type(viewer, event) {
  const found = actionOf(event);
  if (!found) return;
  event.preventDefault();
  event.stopPropagation();
  const [name, argument] = found;
  // a toggle that is held would flicker
  if (event.repeat && !ACTIONS[name].repeats) return;
  drawingOf(viewer).keyed = true;
  viewer.act(name, argument);
}
