/** What to do about a layout, what gains most first; each can be taken into the editor. */
import { h } from "../ui/dom.js";

/** @type {import("./widget.js").Kind} */
export function advice({ root, act, on }) {
  const body = h("div", { role: "region", "aria-label": "advice" });
  root.append(body);
  const take = (/** @type {string} */ key, /** @type {string} */ title) => {
    const what = key === "all" ? "Take all into the editor" : "Take into the editor";
    const button = h("button", { type: "button", "data-take": key, title }, what);
    on(button, "click", () => act("take", { key }));
    return button;
  };
  return (state) => {
    root.hidden = !state.heading;
    const items = (state.items ?? []).map((/** @type {Record<string, string>} */ item) =>
      h(
        "li",
        { "data-advice": item.key },
        h("div", { class: "nk-advice-head" }, h("b", {}, item.title), h("span", {}, item.gain)),
        h("div", {}, item.reason),
        ...[item.facts, item.slower, `rule: ${item.rule}`]
          .filter(Boolean)
          .map((text) => h("small", {}, text)),
        take(item.key, item.title),
      ),
    );
    const together = state.together
      ? [h("div", { class: "nk-row" }, h("span", {}, state.together), take("all", "all of it"))]
      : [];
    const notes = (state.notes ?? []).map((/** @type {string} */ text) => h("small", {}, `note: ${text}`));
    body.replaceChildren(
      h("p", { class: "nk-advice-title" }, state.heading ?? ""),
      ...(items.length ? [h("ol", {}, ...items)] : []),
      ...together,
      ...notes,
    );
  };
}
