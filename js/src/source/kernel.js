/**
 * Tiles, pictures and profiles from the kernel, by messages that may be late, lost or doubled.
 *
 * @typedef {import("../types.js").Receiver} Receiver
 * @typedef {import("../types.js").Profile} Profile
 * @typedef {import("../types.js").SharedState} SharedState
 * @typedef {import("../types.js").Source} Source
 * @typedef {import("../types.js").State} State
 * @typedef {import("../types.js").TileRequest} TileRequest
 */
import { toBytes, unpack } from "../pixels.js";

/** Silence after which the kernel is called busy, and after which it is asked again (ms). */
const PATIENCE = { busy: 1500, again: 10_000 };
/** How often something is asked again before the kernel is given up for lost. */
const TRIES = 3;
/** Length of the text of a message, at most; websockets close at 10 MB. */
const LONGEST = 1_000_000;
/** Batches nobody waits for any more whose answers are still understood. */
const CANCELLED = 32;

/**
 * Something that was asked and is not answered yet.
 * @typedef {object} Ask
 * @property {number} number       of its latest message
 * @property {number[]} numbers    of all of its messages
 * @property {(number: number) => object} message
 * @property {(content: any, buffers: any[]) => void} answer
 * @property {(error: Error) => void} [reject]
 * @property {number} tries
 * @property {any} timer
 * @property {boolean} batch       whether "drop" applies
 * @property {boolean} live        whether somebody waits for it
 */

/**
 * @typedef {object} Clock
 * @property {(fn: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 */

/** @type {Clock} */
const CLOCK = {
  setTimeout: (fn, ms) => setTimeout(fn, ms),
  clearTimeout: (timer) => clearTimeout(timer),
};

/** @implements {Source} */
export class KernelSource {
  /**
   * @param {{send: Function, on: Function, off: Function}} channel   a widget's model
   * @param {string} view   a name that no other view on this channel has
   * @param {{clock?: Clock}} [options]
   */
  constructor(channel, view, { clock = CLOCK } = {}) {
    this.inFlight = 3;
    this.batchBytes = 2 ** 20;
    this.channel = channel;
    this.view = view;
    this.clock = clock;
    this.count = 0;
    /** @type {State["status"]} */
    this.status = "ok";
    /** @type {Set<(status: State["status"]) => void>} */
    this.listeners = new Set();
    /** @type {Map<number, Ask>} by the numbers of their messages */
    this.asks = new Map();
    /** @type {Ask[]} */
    this.cancelled = [];
    /** @type {{ask: Ask, give: (png: Uint8Array | null) => void} | null} */
    this.picture = null;
    /** @param {any} content @param {any[]} buffers */
    this.heard = (content, buffers) => this.hear(content, buffers ?? []);
    channel.on("msg:custom", this.heard);
  }

  /** @param {(status: State["status"]) => void} listener called now and at every change */
  onStatus(listener) {
    this.listeners.add(listener);
    listener(this.status);
  }

  /** @param {State["status"]} status */
  turn(status) {
    if (status === this.status) return;
    this.status = status;
    for (const listener of this.listeners) listener(status);
  }

  /**
   * @param {TileRequest[]} requests
   * @param {Receiver} to
   * @returns {{cancel: () => void}}
   */
  fetch(requests, to) {
    const parts = split(requests);
    let open = parts.length;
    const done = () => {
      if (--open === 0) to.done();
    };
    const asks = parts.map((part) => this.batch(part, to, done));
    return { cancel: () => this.cancel(asks.filter((ask) => ask.live)) };
  }

  /**
   * @param {{request: TileRequest, index: number}[]} part   `index`: place in the whole batch
   * @param {Receiver} to
   * @param {() => void} done   called when nothing more will come, unless it was cancelled
   */
  batch(part, to, done) {
    const tiles = part.map(({ request }) => request);
    const left = new Set(part.keys());
    const ask = this.ask(
      (number) => ({ do: "fetch", view: this.view, batch: number, tiles }),
      (content, buffers) => {
        for (const meta of content.tiles) {
          // a message may come twice, and both the first and the second asking may be answered
          if (left.delete(meta.i)) deliver(part[meta.i].index, meta, buffers, to);
        }
        // the last word about an earlier asking is the last word only if nothing is missing
        if (left.size && !(content.done && content.batch === ask.number)) return;
        const waited = ask.live;
        this.finish(ask, left.size === 0);
        if (waited) done();
      },
      undefined,
      true,
    );
    return ask;
  }

  /**
   * The picture of a state, drawn by Python.
   * @param {SharedState} state
   * @param {number} width
   * @param {number} height
   * @param {number} dpr
   * @returns {Promise<Uint8Array | null>} a PNG; null when a newer one was asked for meanwhile
   */
  frame(state, width, height, dpr) {
    if (this.picture) {
      this.finish(this.picture.ask, false);
      this.picture.give(null);
      this.picture = null;
    }
    return new Promise((resolve, reject) => {
      const ask = this.ask(
        (number) => ({ do: "frame", view: this.view, frame: number, state, width, height, dpr }),
        (content, buffers) => {
          this.finish(ask, true);
          this.picture = null;
          if (content.error !== undefined) reject(new Error(content.error));
          else resolve(toBytes(buffers[0]));
        },
        reject,
      );
      this.picture = { ask, give: resolve };
    });
  }

  /**
   * Values along a line.
   * @param {Record<string, number>[]} points
   * @param {number} level
   * @returns {Promise<Profile>}
   */
  profile(points, level) {
    return new Promise((resolve, reject) => {
      const ask = this.ask(
        (number) => ({ do: "profile", view: this.view, profile: number, points, level }),
        (content) => {
          this.finish(ask, true);
          const { distance, unit, channels, error } = content;
          if (error !== undefined) reject(new Error(error));
          else resolve({ distance, unit, channels });
        },
        reject,
      );
    });
  }

  /**
   * @param {Ask["message"]} message
   * @param {Ask["answer"]} answer
   * @param {Ask["reject"]} [reject]
   * @param {boolean} [batch]
   * @returns {Ask}
   */
  ask(message, answer, reject, batch = false) {
    /** @type {Ask} */
    const ask = {
      number: 0,
      numbers: [],
      message,
      answer,
      reject,
      tries: 0,
      timer: null,
      batch,
      live: true,
    };
    this.put(ask);
    return ask;
  }

  /** Send what is asked, under a new number. @param {Ask} ask */
  put(ask) {
    ask.number = ++this.count;
    ask.numbers.push(ask.number);
    this.asks.set(ask.number, ask);
    this.watch(ask);
    this.send(ask.message(ask.number));
  }

  /** @param {object} content */
  send(content) {
    try {
      // some front ends answer with a promise, which fails when the line is down
      Promise.resolve(this.channel.send(content)).catch(() => this.turn("lost"));
    } catch {
      this.turn("lost");
    }
  }

  /** Wait for a word about something, from now on. @param {Ask} ask */
  watch(ask) {
    this.clock.clearTimeout(ask.timer);
    ask.timer = this.clock.setTimeout(() => {
      if (this.status === "ok") this.turn("busy");
      ask.timer = this.clock.setTimeout(() => this.again(ask), PATIENCE.again - PATIENCE.busy);
    }, PATIENCE.busy);
  }

  /**
   * Nothing was heard of it: the message or its answer is lost, or the kernel is.
   * @param {Ask} ask
   */
  again(ask) {
    if (ask.tries >= TRIES) {
      ask.timer = null;
      this.turn("lost");
      return;
    }
    ask.tries++;
    // a kernel that was only busy would otherwise do it several times
    if (ask.batch) this.send({ do: "drop", view: this.view, batches: [ask.number] });
    this.put(ask);
  }

  /** @param {any} content @param {any[]} buffers */
  hear(content, buffers) {
    if (content?.view !== this.view) return;
    const wasLost = this.status === "lost";
    this.turn("ok");
    const ask = this.asks.get(content.batch ?? content.frame ?? content.profile);
    if (ask) {
      if (ask.live) this.watch(ask);
      if (content.on !== "alive") ask.answer(content, buffers);
    }
    if (wasLost) this.revive();
  }

  /** Ask again for all that was given up. */
  revive() {
    for (const ask of new Set(this.asks.values())) {
      if (!ask.live || ask.timer !== null) continue;
      ask.tries = 0;
      this.put(ask);
    }
  }

  /**
   * Wait for something no longer; spare the kernel a later asking of what was answered already.
   * @param {Ask} ask
   * @param {boolean} answered
   */
  finish(ask, answered) {
    this.clock.clearTimeout(ask.timer);
    const spare = ask.numbers.length > 1 && answered && ask.batch && ask.live;
    ask.live = false;
    for (const number of ask.numbers) this.asks.delete(number);
    if (spare) this.send({ do: "drop", view: this.view, batches: [ask.number] });
  }

  /** What hasn't begun need not be read; what is on its way is welcome. @param {Ask[]} asks */
  cancel(asks) {
    if (!asks.length) return;
    for (const ask of asks) {
      this.clock.clearTimeout(ask.timer);
      ask.live = false;
      this.cancelled.push(ask);
    }
    this.send({ do: "drop", view: this.view, batches: asks.map((ask) => ask.number) });
    while (this.cancelled.length > CANCELLED) {
      const [old] = this.cancelled.splice(0, 1);
      this.finish(old, false);
    }
  }

  dispose() {
    this.channel.off("msg:custom", this.heard);
    for (const ask of new Set(this.asks.values())) {
      this.finish(ask, false);
      ask.reject?.(new Error("the view was closed"));
    }
    this.listeners.clear();
  }
}

/**
 * @param {number} index
 * @param {any} meta
 * @param {any[]} buffers
 * @param {Receiver} to
 */
function deliver(index, meta, buffers, to) {
  if (meta.error !== undefined) {
    to.fail(index, meta.error || "unknown error");
    return;
  }
  let tile;
  try {
    const from = meta.constant === undefined ? toBytes(buffers[0]) : null;
    // copied: a tile that is kept must not keep all that came with it
    tile = unpack(meta, from && from.slice(meta.offset, meta.offset + meta.bytes));
  } catch (error) {
    to.fail(index, error instanceof Error ? error.message : String(error));
    return;
  }
  to.tile(index, tile);
}

/**
 * Requests in parts whose messages are not too long.
 * @param {TileRequest[]} requests
 * @returns {{request: TileRequest, index: number}[][]}
 */
function split(requests) {
  /** @type {{request: TileRequest, index: number}[][]} */
  const parts = [[]];
  let length = 0;
  requests.forEach((request, index) => {
    const more = JSON.stringify(request).length + 1;
    if (length && length + more > LONGEST) {
      parts.push([]);
      length = 0;
    }
    parts[parts.length - 1].push({ request, index });
    length += more;
  });
  return parts;
}
