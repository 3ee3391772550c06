/** A card that is folded away until somebody wants it. */
import { h } from "../ui/dom.js";
import { card } from "./card.js";

/** @type {import("./widget.js").Kind} */
export function folded(place) {
  const { model, root } = place;
  const inner = h("div");
  const label = model.get("fixed")?.label ?? "details";
  root.append(h("details", {}, h("summary", {}, label), inner));
  const show = card({ ...place, root: inner });
  return (state) => {
    show(state);
    root.hidden = inner.hidden;
  };
}
