/**
 * What a source was recognised as: facts, and small pictures of its first, middle and last slice.
 *
 * @typedef {{label: string, src: string, error: string}} Slice
 */
import { h } from "../ui/dom.js";

/** @type {import("./widget.js").Kind} */
export function found({ root, act, on }) {
  const facts = h("dl", { class: "nk-facts" });
  const pictures = h("div", { class: "nk-slices" });
  const said = h("p", { class: "nk-far", role: "status" });
  const again = h("button", { type: "button", "data-do": "look", title: "list its files again" });
  again.textContent = "Look again";
  on(again, "click", () => act("look"));
  root.append(facts, pictures, h("div", { class: "nk-row" }, again, said));
  let shown = "";
  let drawn = "";
  return (state) => {
    const lines = JSON.stringify(state.facts ?? []);
    if (lines !== shown) {
      const pairs = /** @type {[string, string][]} */ (state.facts ?? []);
      facts.replaceChildren(...pairs.flatMap(([word, text]) => [h("dt", {}, word), h("dd", {}, text)]));
      shown = lines;
    }
    const slices = /** @type {Slice[]} */ (state.slices ?? []);
    const key = JSON.stringify(slices);
    if (key !== drawn) {
      pictures.replaceChildren(...slices.map(figure));
      drawn = key;
    }
    const known = (state.facts ?? []).length > 0;
    const waiting = state.busy ? "looking at the source …" : state.drawing ? "reading slices …" : "";
    said.textContent = waiting || (state.said ?? "");
    again.hidden = !known;
    root.classList.toggle("nk-busy", Boolean(state.busy));
    root.setAttribute("aria-busy", String(Boolean(state.busy || state.drawing)));
    root.hidden = !known && !state.busy;
  };
}

/** @param {Slice} slice */
function figure({ label, src, error }) {
  const picture = src
    ? h("img", { src, alt: `slice at ${label}` })
    : h("div", { class: "nk-problem", "data-severity": "error" }, error);
  return h("figure", {}, picture, h("figcaption", {}, label));
}
