/** The lines of Python that do the same, ready to copy. */
import { h } from "../ui/dom.js";

/** How long the button says that it has copied (milliseconds). */
const SAID = 1500;

/** @type {import("./widget.js").Kind} */
export function code({ root, on }) {
  const text = h("code");
  const copy = h("button", { type: "button", class: "nk-copy", title: "copy" }, "Copy");
  root.append(h("div", { class: "nk-code-box" }, h("pre", { tabindex: 0 }, text), copy));
  on(copy, "click", async () => {
    const done = await copied(text.textContent ?? "", text);
    copy.textContent = done ? "Copied" : "Press Ctrl+C";
    setTimeout(() => (copy.textContent = "Copy"), SAID);
  });
  return (state) => {
    text.textContent = state.text ?? "";
    root.hidden = !state.text;
  };
}

/**
 * Put a text on the clipboard. Pages that came over plain http have none: there it is selected.
 * @param {string} text
 * @param {HTMLElement} element that holds it
 */
async function copied(text, element) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const selection = getSelection();
    selection?.selectAllChildren(element);
    return document.execCommand("copy");
  }
}
