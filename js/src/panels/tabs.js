/** Tabs: which of several panels is shown. Arrows move among them, as in every list of tabs. */
import { h } from "../ui/dom.js";

/** @type {import("./widget.js").Kind} */
export function tabs({ root, act, on }) {
  const row = h("div", { class: "nk-tabs", role: "tablist", "aria-label": "ngffkit" });
  root.append(row);
  /** @type {HTMLButtonElement[]} */
  let made = [];
  on(row, "click", (event) => {
    const name = event.target instanceof HTMLElement && event.target.dataset.tab;
    if (name) act("turn", { name });
  });
  on(row, "keydown", (event) => {
    const here = made.indexOf(event.target);
    /** @type {Record<string, number>} */
    const steps = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: made.length - 1 };
    if (here < 0 || !(event.key in steps)) return;
    const next = made[(steps[event.key] + made.length) % made.length];
    next.focus();
    act("turn", { name: next.dataset.tab });
    event.preventDefault();
    event.stopPropagation();
  });
  return ({ tabs: names = [], chosen = "" }) => {
    if (made.map((tab) => tab.dataset.tab).join() !== names.join()) {
      made = names.map((/** @type {string} */ name) =>
        h("button", { type: "button", role: "tab", "data-tab": name }, name),
      );
      row.replaceChildren(...made);
    }
    for (const tab of made) {
      const on = tab.dataset.tab === chosen;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
    }
  };
}
