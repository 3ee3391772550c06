/**
 * Buttons in a row, each an action.
 *
 * @typedef {{do: string, label: string, given?: object, title?: string, pressed?: boolean,
 *   disabled?: boolean, primary?: boolean}} Button
 */
import { h } from "../ui/dom.js";

/** @type {import("./widget.js").Kind} */
export function buttons({ root, act, on }) {
  const row = h("div", { class: "nk-row" });
  root.append(row);
  /** @type {Button[]} */
  let wanted = [];
  on(row, "click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    const found = button && wanted[[...row.children].indexOf(button)];
    if (found) act(found.do, found.given ?? {});
  });
  return (state) => {
    wanted = state.buttons ?? [];
    // the same elements stay, so that the focus does
    while (row.children.length > wanted.length) row.lastElementChild?.remove();
    while (row.children.length < wanted.length) row.append(h("button", { type: "button" }));
    wanted.forEach((button, i) => {
      const element = /** @type {HTMLButtonElement} */ (row.children[i]);
      element.textContent = button.label;
      element.title = button.title ?? "";
      element.disabled = Boolean(button.disabled);
      element.classList.toggle("nk-primary", Boolean(button.primary));
      if (button.pressed === undefined) element.removeAttribute("aria-pressed");
      else element.setAttribute("aria-pressed", String(button.pressed));
    });
    root.hidden = !wanted.length;
  };
}
