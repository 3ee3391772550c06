/**
 * What may happen to a view from outside: the browser takes its graphics card, or it comes to lie on
 * a screen with other pixels.
 *
 * @typedef {import("./viewer.js").Viewer} Viewer
 */

/** Milliseconds after which a canvas that lost the graphics card does without. */
const LOST = 3000;

/**
 * A page with many views takes the card from the oldest, and seldom gives it back.
 * @param {Viewer} viewer
 */
export function watchCard(viewer) {
  const { canvas, state } = viewer;
  const { signal } = viewer.closing;
  /** @type {any} */
  let timer = null;
  const back = () => clearTimeout(timer);
  const lost = () => {
    // without a kernel nobody else could draw; a canvas that was replaced is nobody's
    const can = state.get("status") !== "static" && viewer.canvas === canvas;
    back();
    if (can) timer = setTimeout(() => viewer.fallBack(), LOST);
  };
  canvas.addEventListener("webglcontextlost", lost, { signal });
  canvas.addEventListener("webglcontextrestored", back, { signal });
  signal.addEventListener("abort", back);
}

/**
 * Tell when a view gets another size in pixels of the screen, be it that it lies on another screen.
 * @param {HTMLElement} stage
 * @param {() => void} changed also called at first
 * @returns {ResizeObserver}
 */
export function watchSize(stage, changed) {
  const observer = new ResizeObserver(changed);
  try {
    observer.observe(stage, { box: "device-pixel-content-box" });
  } catch {
    // Safari knows pixels of the page only
    observer.observe(stage);
  }
  return observer;
}
