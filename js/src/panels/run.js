/** Work: how far it is, and the buttons that begin, hold, stop it, and let it go on. */
import { h } from "../ui/dom.js";

/** Which buttons there are while the work is so. @type {Record<string, string[]>} */
const BUTTONS = {
  ready: ["run"],
  running: ["pause", "cancel"],
  paused: ["resume", "cancel"],
  stopping: [],
  stopped: ["run"],
  failed: ["run"],
  done: ["run"],
};

/** @type {Record<string, string>} */
const WORDS = {
  ready: "",
  running: "running",
  paused: "paused",
  stopping: "stopping",
  stopped: "stopped; what was done stays",
  failed: "failed",
  done: "done",
};

/** @type {import("./widget.js").Kind} */
export function run({ model, root, act, on }) {
  const said = model.get("fixed") ?? {};
  const label = said.label ?? "Run";
  // work that can neither be held nor taken up again: a measurement
  const whole = said.whole === true;
  /** @type {Record<string, HTMLButtonElement>} */
  const buttons = {};
  for (const [name, text] of Object.entries({
    run: label,
    pause: "Pause",
    resume: "Resume",
    cancel: "Cancel",
  })) {
    buttons[name] = h("button", { type: "button", "data-do": name }, text);
    on(buttons[name], "click", () => act(name));
  }
  buttons.run.classList.add("nk-primary");
  const bar = h("progress", { max: 1, "aria-label": "progress" });
  const text = h("span", { class: "nk-far", role: "status" });
  const error = h("p", { class: "nk-problem", "data-severity": "error", role: "alert" });
  root.append(h("div", { class: "nk-row" }, ...Object.values(buttons), bar, text), error);
  return (state) => {
    const doing = state.doing ?? "ready";
    const shown = BUTTONS[doing] ?? [];
    for (const [name, button] of Object.entries(buttons)) {
      button.hidden = !shown.includes(name) || (whole && name === "pause");
    }
    buttons.run.disabled = state.blocked === true;
    buttons.run.title = state.blocked ? (state.why ?? "") : "";
    buttons.run.textContent = doing === "stopped" && !whole ? "Resume" : doing === "failed" ? "Try again" : label;
    bar.hidden = doing === "ready";
    bar.value = doing === "done" ? 1 : (state.fraction ?? 0);
    const word = whole && doing === "stopped" ? "stopped" : WORDS[doing];
    if (whole && doing === "running" && !state.fraction) bar.removeAttribute("value");
    const why = doing === "ready" && state.blocked ? state.why : "";
    text.textContent = [word, state.text].filter(Boolean).join(" · ") || why || "";
    error.textContent = state.error ?? "";
    error.hidden = !state.error;
    root.dataset.doing = doing;
  };
}
