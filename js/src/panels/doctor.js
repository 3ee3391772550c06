/**
 * The connection doctor: measures the line to the kernel, and shows what Python makes of it.
 *
 * Small messages go one after another, since that is how a viewer waits; then a few large buffers.
 *
 * @typedef {{messages: number, buffers: number, nbytes: number, patience: number}} Wanted
 */
import { h } from "../ui/dom.js";

/** @type {import("./widget.js").Kind} */
export function doctor({ model, root, act, on, also }) {
  const measure = h("button", { type: "button", class: "nk-primary", "data-do": "measure" }, "Measure");
  const data = h("button", { type: "button", "data-do": "data" }, "Measure the line to the data");
  const status = h("span", { class: "nk-far", role: "status" });
  const found = h("div", { class: "nk-findings", "aria-live": "polite" });
  const facts = h("table", { class: "nk-line-facts" });
  root.append(
    h(
      "details",
      {},
      h("summary", {}, "Connection doctor: kernel, page and data"),
      h("div", { class: "nk-row" }, measure, data, status),
      found,
      facts,
    ),
  );
  const echo = echoes(model, also);
  on(data, "click", () => act("data_line"));
  on(measure, "click", async () => {
    measure.disabled = true;
    /** @type {Wanted} */
    const wanted = model.get("state").measure;
    try {
      act("measured", await measured(echo, wanted, (text) => (status.textContent = text)));
    } finally {
      measure.disabled = false;
      status.textContent = "";
    }
  });
  return (state) => {
    data.disabled = state.busy === true || state.image !== true;
    data.title = state.image ? "" : "diagnose an image first";
    found.replaceChildren(...(state.findings ?? []).map(finding));
    facts.replaceChildren(
      ...(state.facts ?? []).map((/** @type {[string, string]} */ [name, text]) =>
        h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, text)),
      ),
    );
    root.dataset.busy = String(state.busy === true);
  };
}

/** @param {Record<string, string>} item */
function finding({ key, severity, title, text, remedy, code }) {
  return h(
    "div",
    { class: "nk-finding", "data-finding": key, "data-severity": severity },
    h("b", {}, title),
    h("div", {}, text),
    remedy ? h("div", {}, `What to do: ${remedy}.`) : null,
    code ? h("pre", { tabindex: 0 }, h("code", {}, code)) : null,
  );
}

/**
 * Return a function that asks the kernel for an answer with so many bytes, and is told when it came.
 * @param {any} model
 * @param {(stop: () => void) => void} also
 * @returns {(nbytes: number, patience: number) => Promise<{ms: number, subshell: boolean} | null>}
 */
function echoes(model, also) {
  /** @type {Map<number, (answer: any) => void>} */
  const waiting = new Map();
  let count = 0;
  const hear = (/** @type {any} */ message) => {
    if (message?.echo !== undefined) waiting.get(message.echo)?.(message);
  };
  model.on("msg:custom", hear);
  also(() => model.off("msg:custom", hear));
  // other views of the same part count for themselves, but hear all answers
  const own = Math.floor(Math.random() * 1e9) * 1000;
  return (nbytes, patience) =>
    new Promise((resolve) => {
      const id = own + (count += 1);
      const began = performance.now();
      const timer = setTimeout(() => finish(null), patience);
      const finish = (/** @type {any} */ answer) => {
        clearTimeout(timer);
        waiting.delete(id);
        const ms = performance.now() - began;
        resolve(answer && { ms, subshell: answer.subshell === true });
      };
      waiting.set(id, finish);
      model.send({ echo: id, nbytes });
    });
}

/**
 * @param {ReturnType<typeof echoes>} echo
 * @param {Wanted} wanted
 * @param {(text: string) => void} say
 */
async function measured(echo, { messages, buffers, nbytes, patience }, say) {
  const out = {
    replies: /** @type {number[]} */ ([]),
    buffers: /** @type {[number, number][]} */ ([]),
    lost: 0,
    subshell: /** @type {boolean | null} */ (null),
  };
  // the first one opens what has to be opened
  await echo(0, patience);
  for (let i = 0; i < messages && out.lost < 2; i += 1) {
    say(`small messages: ${i + 1} of ${messages}`);
    const answer = await echo(0, patience);
    if (!answer) out.lost += 1;
    else {
      out.replies.push(answer.ms);
      out.subshell = answer.subshell;
    }
  }
  if (out.lost < 2) {
    say("buffers");
    // one for itself, to compare with a small message; then the others together
    for (const count of [1, buffers - 1]) {
      const began = performance.now();
      const asked = Array.from({ length: count }, () => echo(nbytes, 4 * patience));
      const came = (await Promise.all(asked)).filter(Boolean).length;
      out.lost += count - came;
      if (came) out.buffers.push([came * nbytes, performance.now() - began]);
    }
  }
  return out;
}
