/** A card: HTML that Python made and escaped. */
import { h } from "../ui/dom.js";

/** @type {import("./widget.js").Kind} */
export function card({ root }) {
  const body = h("div", { class: "nk-card-body", "aria-live": "polite" });
  root.append(body);
  let shown = "";
  return ({ html = "", busy = false, stale = false }) => {
    if (html !== shown) body.innerHTML = shown = html;
    root.classList.toggle("nk-busy", Boolean(busy));
    root.classList.toggle("nk-stale", Boolean(stale));
    root.setAttribute("aria-busy", String(Boolean(busy)));
    root.hidden = !html && !busy;
  };
}
