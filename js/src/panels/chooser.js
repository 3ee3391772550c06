/**
 * Choosing a place: an address, and a list of what lies in a folder, a page at a time.
 *
 * @typedef {{name: string, kind: "folder" | "zarr" | "file", size: string}} Entry
 */
import { h } from "../ui/dom.js";

/** What stands before a name, for eyes alone. @type {Record<string, string>} */
const SIGNS = { folder: "▸", zarr: "▦", file: "·" };

/** @type {Record<string, string>} */
const WORDS = { folder: "folder", zarr: "Zarr", file: "file" };

let count = 0;

/** @type {import("./widget.js").Kind} */
export function chooser({ model, root, act, on }) {
  const { verb = "Choose", address = false } = model.get("fixed") ?? {};
  const id = `nk-choose-${(count += 1)}`;
  const button = (/** @type {string} */ text, /** @type {object} */ more = {}) =>
    h("button", { type: "button", ...more }, text);
  const typed = typing(act, on);

  const place = typed("text", "complete", "text", {
    "aria-label": "path or URL",
    placeholder: "a path, or a URL: https, s3, gs …",
    list: `${id}-offers`,
  });
  const offers = h("datalist", { id: `${id}-offers` });
  const take = button(address ? verb : "Go", address ? { class: "nk-primary" } : {});
  const toggle = button("Browse…", { "aria-expanded": "false", "aria-controls": `${id}-list` });
  const bar = h("div", { class: "nk-row nk-address" }, place.input, offers, take);
  const head = h("div", { class: "nk-row" });
  head.append(...(address ? [bar, toggle] : [toggle]));

  const up = button("↑", { title: "the folder above", "aria-label": "the folder above" });
  const again = button("⟳", { title: "list again", "aria-label": "list again" });
  const way = h("nav", { class: "nk-crumbs", "aria-label": "folders above" });
  const narrow = typed("filter", "filter", "text", {
    "aria-label": "show only names with",
    placeholder: "show only names with …",
  });
  const far = h("span", { class: "nk-far", role: "status" });
  const back = button("‹", { "aria-label": "page before" });
  const on_ = button("›", { "aria-label": "next page" });
  const list = h("div", { class: "nk-list", role: "listbox", "aria-label": "entries", tabindex: -1 });
  const said = h("p", { class: "nk-problem", "data-severity": "error", role: "alert" });
  const options = typed("options", "options", "text", {
    "aria-label": "options of the store",
    placeholder: "anon=true region=eu-west-1",
  });
  const wrong = h("p", { class: "nk-problem", "data-severity": "error", role: "status" });
  const more = h("details", {}, h("summary", {}, "Options of s3, gs, http …"), options.input, wrong);
  const name = typed("name", "call_it", "name", { "aria-label": "name", placeholder: "image.zarr" });
  const odd = h("p", { class: "nk-problem", "data-severity": "error", role: "status" });
  const named = h("div", { class: "nk-row" }, h("span", {}, "Name"), name.input, odd);
  const choose = button(verb, { class: "nk-primary" });
  const inside = button("Look inside");
  const classic = button("File dialog", { title: "ipyfilechooser, for the kernel's disk" });
  const close = button("Close");
  const box = h(
    "div",
    { class: "nk-choose", id: `${id}-list` },
    address ? null : bar,
    h("div", { class: "nk-row" }, up, again, way),
    h("div", { class: "nk-row" }, narrow.input, far, back, on_),
    list,
    more,
    named,
    h("div", { class: "nk-row" }, choose, inside, classic, close),
  );
  root.append(head, said, box);

  /** @type {any} */
  let state = {};
  const kindOf = (/** @type {string} */ n) =>
    state.entries?.find((/** @type {Entry} */ entry) => entry.name === n)?.kind;
  const goTo = () => place.input.value && act(address ? "choose" : "go", { place: place.input.value });
  on(take, "click", goTo);
  on(place.input, "keydown", (event) => {
    if (event.key === "Enter") act("take", { place: place.input.value });
  });
  on(name.input, "keydown", (event) => event.key === "Enter" && act("choose"));
  on(toggle, "click", () => act("toggle"));
  on(close, "click", () => act("toggle"));
  on(up, "click", () => act("up"));
  on(again, "click", () => act("again"));
  on(back, "click", () => act("turn", { offset: state.offset - state.page }));
  on(on_, "click", () => act("turn", { offset: state.offset + state.page }));
  on(choose, "click", () => act("choose"));
  on(inside, "click", () => act("enter", { name: state.marked }));
  on(classic, "click", () => act("classic"));
  on(box, "keydown", (event) => {
    if (event.key !== "Escape") return;
    act("toggle");
    toggle.focus();
  });
  on(way, "click", (event) => {
    const there = event.target instanceof HTMLElement && event.target.dataset.place;
    if (there) act("go", { place: there });
  });
  const rowOf = (/** @type {any} */ event) => event.target.closest?.("[role=option]");
  on(list, "click", (event) => {
    const found = rowOf(event)?.dataset.name;
    if (found === undefined) return;
    act(kindOf(found) === "folder" ? "enter" : "mark", { name: found });
  });
  on(list, "dblclick", (event) => {
    const found = rowOf(event)?.dataset.name;
    if (found !== undefined && kindOf(found) !== "folder" && state.what !== "target") act("choose");
  });
  on(list, "keydown", (event) => keys(event, list, act, kindOf, state));

  let drawn = "";
  return (next) => {
    state = next;
    const { open, busy, entries = [], matching = 0, total = 0, offset = 0, page = 100 } = state;
    const target = state.what === "target";
    for (const field of [place, narrow, options, name]) field.show(state);
    toggle.setAttribute("aria-expanded", String(Boolean(open)));
    box.hidden = !open;
    root.setAttribute("aria-busy", String(Boolean(busy)));
    root.classList.toggle("nk-busy", Boolean(busy));
    said.textContent = state.error ?? "";
    said.hidden = !state.error;
    wrong.textContent = state.options_error ?? "";
    wrong.hidden = !state.options_error;
    odd.textContent = state.name_error ?? "";
    odd.hidden = !state.name_error;
    named.hidden = !target;
    offers.replaceChildren(...(state.offers ?? []).map((/** @type {string} */ v) => h("option", { value: v })));
    if (!open) return;
    up.disabled = !state.up;
    const last = Math.min(offset + page, matching);
    const of = matching === total ? `${total}` : `${matching} of ${total}`;
    far.textContent = busy ? "listing …" : matching > page ? `${offset + 1}–${last} of ${of}` : of;
    back.hidden = on_.hidden = matching <= page;
    back.disabled = offset === 0;
    on_.disabled = last >= matching;
    inside.hidden = kindOf(state.marked) !== "zarr" || target;
    const own = state.zarr ? "this Zarr" : "this folder";
    choose.textContent = target ? verb : `${verb} ${state.marked || own}`;
    const rows = JSON.stringify([state.place, entries]);
    if (rows !== drawn) {
      drawn = rows;
      way.replaceChildren(...state.crumbs.map((/** @type {any} */ c) =>
        h("button", { type: "button", "data-place": c.place }, c.label)));
      list.replaceChildren(...entries.map(row));
      list.scrollTop = 0;
      if (state.zarr) list.prepend(h("p", { class: "nk-far" }, "This is one Zarr; these are its parts."));
      else if (!entries.length) list.append(h("p", { class: "nk-far" }, "nothing here"));
    }
    for (const option of list.querySelectorAll("[role=option]")) {
      const it = /** @type {HTMLElement} */ (option);
      it.setAttribute("aria-selected", String(it.dataset.name === state.marked));
    }
  };
}

/** @param {Entry} entry @param {number} i */
function row({ name, kind, size }, i) {
  const sign = h("span", { class: "nk-sign", "aria-hidden": "true" }, SIGNS[kind]);
  const text = h("span", { class: "nk-entry" }, name);
  const what = h("span", { class: "nk-far" }, kind === "file" ? size : WORDS[kind]);
  const made = h("div", { role: "option", tabindex: i ? -1 : 0, "data-kind": kind }, sign, text, what);
  made.dataset.name = name;
  made.setAttribute("data-lm-suppress-shortcuts", "true");
  return made;
}

/**
 * Arrows move, Enter enters or chooses, Space marks, Backspace goes up.
 * @param {KeyboardEvent} event
 * @param {HTMLElement} list
 * @param {(name: string, given?: object) => void} act
 * @param {(name: string) => string | undefined} kindOf
 * @param {any} state
 */
function keys(event, list, act, kindOf, state) {
  const rows = /** @type {HTMLElement[]} */ ([...list.querySelectorAll("[role=option]")]);
  const here = rows.indexOf(/** @type {HTMLElement} */ (event.target));
  /** @type {Record<string, number>} */
  const steps = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: rows.length - 1 };
  const name = rows[here]?.dataset.name ?? "";
  if (event.key in steps) {
    const next = rows[Math.max(0, Math.min(rows.length - 1, steps[event.key]))];
    for (const one of rows) one.tabIndex = one === next ? 0 : -1;
    next?.focus();
  } else if (event.key === "Enter" || event.key === " ") {
    const marked = state.marked === name && event.key === "Enter";
    act(kindOf(name) === "folder" ? "enter" : marked ? "choose" : "mark", marked ? {} : { name });
  } else if (event.key === "Backspace") act("up");
  else return;
  event.preventDefault();
  event.stopPropagation();
}

/**
 * Inputs whose text goes to the model as it is typed, and is not undone by an older answer.
 * @param {(name: string, given?: object) => void} act
 * @param {ReturnType<typeof import("../ui/dom.js").listeners>["on"]} on
 */
function typing(act, on) {
  /** @param {string} key @param {string} action @param {string} given @param {object} attributes */
  return (key, action, given, attributes) => {
    const input = h("input", { type: "text", autocomplete: "off", spellcheck: "false", ...attributes });
    let edits = 0;
    on(input, "input", () => act(action, { [given]: input.value, edit: (edits += 1) }));
    const show = (/** @type {any} */ state) => {
      const known = state.edits?.[key] ?? 0;
      if (known < edits) return;
      edits = known;
      const text = state[key] ?? "";
      // a secret that was typed stays as it is while one is typing; the model only has its mask
      if (input.value !== text && !(key === "options" && input.matches(":focus"))) input.value = text;
    };
    return { input, show };
  };
}
