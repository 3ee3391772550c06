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
      const text = box ? (box.checked ? "yes" : "no") : control.value;
      act("set", { name: field.name, text, edit: made.edits });
    });
    return made;
  };

  /** @param {Field[]} fields */
  const draw = (fields) => {
    const open = new Set([...body.querySelectorAll("details[open]")].map((d) => d.id));
    const kept = new Map([...rows].map(([name, row]) => [name, row.edits]));
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
      row.edits = kept.get(field.name) ?? 0;
      rows.set(field.name, row);
      place.append(row.row);
    }
  };

  return (state) => {
    const layout = JSON.stringify(state.fields);
    if (layout !== drawn) {
      draw(state.fields ?? []);
      drawn = layout;
    }
    for (const [name, row] of rows) {
      // an answer to an earlier edit must not undo what was typed since
      if ((state.edits?.[name] ?? 0) >= row.edits) {
        row.edits = state.edits?.[name] ?? 0;
        row.show(state.texts?.[name] ?? "");
      }
      row.control.disabled = state.enabled === false;
      say(row.problem, state.problems?.[name]);
      const wrong = (state.problems?.[name] ?? []).some(isError);
      row.control.setAttribute("aria-invalid", String(wrong));
      if (wrong) row.row.closest("details")?.setAttribute("open", "");
    }
    say(general, state.problems?.[""]);
  };
}

/** @param {Problem} problem */
const isError = (problem) => problem.severity === "error";

/**
 * @param {HTMLElement} element
 * @param {Problem[]} [problems]
 */
function say(element, problems = []) {
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
