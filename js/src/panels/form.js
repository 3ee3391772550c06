/**
 * A form: fields under headings, and what is wrong beside each as it is typed.
 *
 * @typedef {{name: string, label: string, help: string, hint: string, default: string,
 *   kind: "text" | "choice" | "switch", choices: string[], group: string}} Field
 * @typedef {{severity: string, message: string, remedy: string}} Problem
 * @typedef {HTMLInputElement | HTMLSelectElement} Control
 * @typedef {{control: Control, row: HTMLElement, problem: HTMLElement, edits: number,
 *   show: (text: string) => void}} Row
 */
import { h } from "../ui/dom.js";

let count = 0;

/** @type {import("./widget.js").Kind} */
export function form({ root, act, on }) {
  /** @type {Map<string, Row>} */
  const rows = new Map();
  const general = h("div", { class: "nk-problem", role: "status" });
  const body = h("div", { class: "nk-fields" });
  root.append(body, general);
  let drawn = "";

  /** @param {Field} field */
  const made = (field) => {
    const id = `nk-${(count += 1)}`;
    const control = controlOf(field, id);
    const problem = h("div", { class: "nk-problem", id: `${id}-p`, role: "status" });
    control.setAttribute("aria-describedby", `${id}-p`);
    const row = h("div", { class: "nk-field", "data-field": field.name });
    row.append(h("label", { for: id, title: field.help }, field.label), control, problem);
    const box = control instanceof HTMLInputElement && control.type === "checkbox" ? control : null;
    const show = (/** @type {string} */ text) => {
      if (box) box.checked = text === "yes";
      else if (control.value !== text) control.value = text;
    };
    /** @type {Row} */
    const made = { control, row, problem, edits: 0, show };
    on(control, box || field.kind === "choice" ? "change" : "input", () => {
      made.edits += 1;
      act("set", { name: field.name, text: textOf(control), edit: made.edits });
    });
    return made;
  };

  /** @param {Field[]} fields */
  const draw = (fields) => {
    const open = new Set([...body.querySelectorAll("details[open]")].map((d) => d.id));
    const focused = [...rows].find(([, row]) => row.control.matches(":focus"))?.[0];
    const kept = new Map(rows);
    body.replaceChildren();
    rows.clear();
    /** @type {Map<string, HTMLElement>} */
    const groups = new Map();
    for (const field of fields) {
      let place = groups.get(field.group);
      if (!place) {
        place = h("div", { class: "nk-group" });
        groups.set(field.group, place);
        if (field.group) {
          const details = h("details", { id: `nk-g-${field.group}` });
          details.append(h("summary", {}, field.group), place);
          details.open = open.has(details.id);
          body.append(details);
        } else body.append(place);
      }
      const row = made(field);
      const old = kept.get(field.name);
      if (old) {
        // what was typed since the last answer stands nowhere else
        row.edits = old.edits;
        row.show(textOf(old.control));
      }
      rows.set(field.name, row);
      place.append(row.row);
    }
    rows.get(focused ?? "")?.control.focus();
  };

  return (state) => {
    /** @type {Field[]} */
    const fields = state.fields ?? [];
    const layout = JSON.stringify(fields.map(frame));
    if (layout !== drawn) {
      draw(fields);
      drawn = layout;
    }
    for (const field of fields) offer(rows.get(field.name)?.control, field);
    for (const [name, row] of rows) {
      // an answer to an earlier edit must not undo what was typed since
      if ((state.edits?.[name] ?? 0) >= row.edits) {
        row.edits = state.edits?.[name] ?? 0;
        row.show(state.texts?.[name] ?? "");
      }
      row.control.disabled = state.enabled === false;
      row.row.hidden = state.hidden?.includes(name) === true;
      say(row.problem, state.problems?.[name]);
      const wrong = (state.problems?.[name] ?? []).some(isError);
      row.control.setAttribute("aria-invalid", String(wrong));
      if (wrong) row.row.closest("details")?.setAttribute("open", "");
    }
    for (const details of body.querySelectorAll("details")) {
      details.hidden = !details.querySelector(".nk-field:not([hidden])");
    }
    say(general, state.problems?.[""]);
  };
}

/** What elements are made of; hints and suggestions change while one types. @param {Field} field */
const frame = (field) =>
  field.kind === "text" ? { ...field, hint: "", choices: field.choices.length > 0 } : field;

/**
 * Show the hint and the suggestions of a text field.
 * @param {Control | undefined} control
 * @param {Field} field
 */
function offer(control, field) {
  if (!control || field.kind !== "text") return;
  control.setAttribute("placeholder", field.hint);
  const list = control.parentElement?.querySelector(`#${control.id}-l`);
  const offered = [...(list?.children ?? [])].map((option) => option.getAttribute("value"));
  if (!list || JSON.stringify(offered) === JSON.stringify(field.choices)) return;
  list.replaceChildren(...field.choices.map((text) => h("option", { value: text })));
}

/** What a control holds. @param {Control} control */
const textOf = (control) =>
  control instanceof HTMLInputElement && control.type === "checkbox"
    ? control.checked
      ? "yes"
      : "no"
    : control.value;

/** @param {Problem} problem */
const isError = (problem) => problem.severity === "error";

/**
 * @param {HTMLElement} element
 * @param {Problem[]} [problems]
 */
export function say(element, problems = []) {
  const text = problems.map(({ message, remedy }) => (remedy ? `${message}; ${remedy}` : message)).join("\n");
  if (element.textContent !== text) element.textContent = text;
  element.dataset.severity = problems.some(isError) ? "error" : "advice";
  element.hidden = !text;
}

/**
 * @param {Field} field
 * @param {string} id
 * @returns {Control}
 */
function controlOf(field, id) {
  const common = { id, title: field.help };
  if (field.kind === "switch") return h("input", { ...common, type: "checkbox" });
  if (field.kind === "choice") {
    return h("select", common, ...field.choices.map((text) => h("option", { value: text }, text)));
  }
  const list = field.choices.length ? `${id}-l` : null;
  const input = h("input", {
    ...common,
    type: "text",
    placeholder: field.hint,
    autocomplete: "off",
    spellcheck: "false",
    list,
  });
  if (!list) return input;
  // suggestions: the list must stand in the page beside the input
  const suggestions = h("datalist", { id: list });
  suggestions.append(...field.choices.map((text) => h("option", { value: text })));
  queueMicrotask(() => input.after(suggestions));
  return input;
}
