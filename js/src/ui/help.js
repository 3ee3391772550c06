/**
 * The list of keys and what the mouse does, from the table of actions.
 *
 * @typedef {import("../types.js").Viewer} Viewer
 */
import { h, listeners } from "./dom.js";
import { keyTable } from "./keys.js";

/**
 * Prepare the help, which opens when `state.help` says so.
 * @param {Viewer} viewer
 * @param {HTMLElement} parent
 * @returns {{dispose: () => void}}
 */
export function mountHelp(viewer, parent) {
  const { state } = viewer;
  const { on, also, stop } = listeners();
  const close = h("button", { type: "button", class: "nk-close" }, "Close");
  const dialog = h(
    "div",
    {
      class: "nk-help",
      role: "dialog",
      "aria-modal": "true",
      "aria-label": "Keys and mouse",
      hidden: true,
    },
    close,
    ...sections(),
  );
  parent.append(dialog);
  /** @type {any} */
  let before = null;
  const show = () => {
    const open = state.get("help");
    if (open !== dialog.hidden) return;
    dialog.hidden = !open;
    if (open) {
      before = /** @type {any} */ (viewer.root.getRootNode()).activeElement;
      close.focus();
    } else {
      (viewer.root.contains(before) ? before : viewer.canvas).focus({ preventScroll: true });
    }
  };
  on(close, "click", () => state.set({ help: false }));
  on(dialog, "keydown", (event) => {
    event.stopPropagation();
    // the only thing here that can have the focus is the button
    if (event.key === "Tab") event.preventDefault();
    if (["Escape", "h", "H", "?"].includes(event.key)) {
      event.preventDefault();
      state.set({ help: false });
    } else if (event.key.startsWith("Arrow")) {
      event.preventDefault();
      dialog.scrollBy(0, { ArrowDown: 40, ArrowUp: -40 }[String(event.key)] ?? 0);
    }
  });
  also(state.on("help", show));
  also(() => dialog.remove());
  show();
  return { dispose: stop };
}

function sections() {
  const rows = keyTable();
  const groups = [...new Set(rows.map((row) => row.group))];
  const lists = groups.map((group) =>
    h(
      "section",
      {},
      h("h3", {}, group),
      ...rows.filter((row) => row.group === group).map(entry),
    ),
  );
  const note = "Keys work when the picture has the focus: click it, or move there with Tab.";
  return [h("p", {}, note), h("div", { class: "nk-lists" }, ...lists)];
}

/** @param {ReturnType<typeof keyTable>[number]} row */
function entry({ label, keys, mouse }) {
  const marks = keys ? keys.split(", ").map((key) => h("kbd", {}, key)) : [mouse];
  return h(
    "div",
    { class: "nk-entry" },
    h("span", {}, ...marks.flatMap((mark) => [mark, " "])),
    h("span", {}, label, keys && mouse ? h("span", { class: "nk-muted" }, ` (mouse: ${mouse})`) : null),
  );
}
