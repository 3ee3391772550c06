/**
 * Arrays of the notebook: which there are, a line on each, and which of them is meant.
 *
 * @typedef {{name: string, kind: string, sizes: string, dtype: string, nbytes: string,
 *   held: string, coords: string}} Thing
 */
import { h } from "../ui/dom.js";
import { say } from "./form.js";

let count = 0;

/** @type {import("./widget.js").Kind} */
export function names({ root, act, on }) {
  const group = `nk-names-${(count += 1)}`;
  const list = h("div", { class: "nk-things", role: "radiogroup", "aria-label": "arrays of the notebook" });
  const none = h("p", { class: "nk-about" }, "No arrays yet: run a cell that makes one, then refresh.");
  const problem = h("div", { class: "nk-problem", role: "status" });
  const again = h("button", { type: "button", title: "look at the notebook again" }, "Refresh");
  root.append(list, none, h("div", { class: "nk-row" }, again), problem);
  on(again, "click", () => act("look"));
  let drawn = "";

  /** @param {Thing} thing */
  const row = (thing) => {
    const input = h("input", { type: "radio", name: group, value: thing.name });
    on(input, "change", () => act("set", { name: "data", text: thing.name }));
    const said = [thing.kind, thing.sizes, thing.dtype, thing.nbytes, thing.held, thing.coords];
    const line = h("span", { class: "nk-about" }, said.filter(Boolean).join(" · "));
    return h("label", { class: "nk-thing" }, input, h("code", {}, thing.name), line);
  };

  return ({ rows = [], chosen = "", problems = [], enabled = true }) => {
    const layout = JSON.stringify(rows);
    if (layout !== drawn) {
      const focused = list.querySelector("input:focus")?.getAttribute("value");
      list.replaceChildren(...rows.map(row));
      drawn = layout;
      for (const input of list.querySelectorAll("input")) if (input.value === focused) input.focus();
    }
    for (const input of list.querySelectorAll("input")) {
      input.checked = input.value === chosen;
      input.disabled = !enabled;
    }
    again.disabled = !enabled;
    none.hidden = rows.length > 0;
    say(problem, problems);
  };
}
