/** One line about what happened last. */
import { h } from "../ui/dom.js";

/** @type {import("./widget.js").Kind} */
export function message({ root }) {
  const line = h("p", { class: "nk-problem", role: "status" });
  root.append(line);
  return ({ severity = "advice", text = "" }) => {
    line.textContent = text;
    line.dataset.severity = severity;
    root.hidden = !text;
  };
}
