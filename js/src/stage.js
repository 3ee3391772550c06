/** The elements of a viewer and their places; what is in them is up to others. */
import { h } from "./ui/dom.js";
import palette from "./palette.css";
import css from "./ui/style.css";

/**
 * @param {string} name of the image
 */
export function buildStage(name) {
  const canvas = h("canvas", {
    class: "nk-canvas",
    tabindex: "0",
    // JupyterLab takes letters from whatever has the focus, unless that says otherwise itself
    "data-lm-suppress-shortcuts": "true",
    role: "application",
    "aria-label": `${name || "image"}: volume viewer; press H for its keys`,
  });
  const overlay = h("canvas", { class: "nk-overlay", "aria-hidden": "true" });
  const stage = h("div", { class: "nk-stage" }, canvas, overlay);
  const top = h("div", { class: "nk-top" });
  const side = h("div", { class: "nk-side" });
  const below = h("div", { class: "nk-below" });
  const foot = h("div", { class: "nk-foot" });
  const main = h("div", { class: "nk-main" }, stage, side);
  const root = h("div", { class: "nk-viewer" }, h("style", {}, palette + css), top, main, below, foot);
  return { root, canvas, overlay, stage, top, side, below, foot };
}
