/**
 * Parts of panels: each shows one section of a model in Python, and sends actions back to it. The
 * page holds no state of its own but what is being typed.
 *
 * @typedef {{model: any, root: HTMLElement, act: (name: string, given?: object) => void,
 *   on: ReturnType<typeof listeners>["on"], also: (stop: () => void) => void}} Place
 * @typedef {(place: Place) => (state: any) => void} Kind makes a part; what it returns shows a state
 */
import { h, listeners } from "../ui/dom.js";
import { followTheme } from "../theme.js";
import { advice } from "./advice.js";
import { buttons } from "./buttons.js";
import { card } from "./card.js";
import { chooser } from "./chooser.js";
import { code } from "./code.js";
import { doctor } from "./doctor.js";
import { folded } from "./folded.js";
import { form } from "./form.js";
import { found } from "./found.js";
import { message } from "./message.js";
import { names } from "./names.js";
import { plot } from "./plot.js";
import { run } from "./run.js";
import { tabs } from "./tabs.js";
import palette from "../palette.css";
import style from "./style.css";

/** @type {Record<string, Kind>} */
const KINDS = {
  advice,
  buttons,
  card,
  chooser,
  code,
  doctor,
  folded,
  form,
  found,
  message,
  names,
  plot,
  run,
  tabs,
};

/** One style sheet for all parts of a page, wherever they stand. @param {HTMLElement} el */
function dress(el) {
  const root = /** @type {Document | ShadowRoot} */ (el.getRootNode());
  const place = root instanceof ShadowRoot ? root : document.head;
  const old = place.querySelector("style[data-nk-panels]");
  if (old) old.textContent = palette + style;
  else {
    const sheet = h("style", { "data-nk-panels": true });
    sheet.textContent = palette + style;
    place.append(sheet);
  }
}

/** @param {{model: any, el: HTMLElement}} given */
function render({ model, el }) {
  dress(el);
  const { on, also, stop } = listeners();
  const root = h("div", { class: `nk-part nk-${model.get("kind")}` });
  const title = model.get("title");
  if (title) root.append(h("h3", { class: "nk-title" }, title));
  const kind = KINDS[model.get("kind")];
  if (!kind) throw new Error(`there is no part ${model.get("kind")}`);
  const act = (/** @type {string} */ name, given = {}) => model.send({ do: name, given });
  const show = kind({ model, root, act, on, also });
  const update = () => show(model.get("state"));
  model.on("change:state", update);
  also(() => model.off("change:state", update));
  const theme = new AbortController();
  also(() => theme.abort());
  followTheme(root, () => "auto", theme.signal, () => {});
  update();
  el.append(root);
  return stop;
}

export default { render };
