/**
 * The tiles that are there, and those on their way.
 *
 * @typedef {import("./types.js").Source} Source
 * @typedef {import("./types.js").Tile} Tile
 * @typedef {import("./types.js").TileAddress} TileAddress
 */

/** A tile that couldn't be read is asked for again after so many milliseconds. */
const AGAIN = 30_000;
/** How often a source may leave a tile without an answer before that is a failure. */
const CHANCES = 3;
/** Bytes that a tile of one value counts. */
const SMALL = 64;

/**
 * @typedef {object} Batch
 * @property {TileAddress[]} tiles
 * @property {boolean} ahead   whether it was asked for in advance
 * @property {{cancel: () => void} | null} handle
 */

export class TileStore {
  /**
   * @param {Source} source
   * @param {{maxBytes?: number, onChange?: () => void, now?: () => number}} [options]
   *   `onChange` is called once for all that is shown and changed within a microtask
   */
  constructor(source, { maxBytes = 256 * 2 ** 20, onChange = () => {}, now = Date.now } = {}) {
    this.source = source;
    this.maxBytes = maxBytes;
    this.onChange = onChange;
    this.now = now;
    this.bytes = 0;
    /** @type {Map<string, Tile>} least recently used first */
    this.tiles = new Map();
    /** @type {Map<string, {cause: string, at: number}>} */
    this.failures = new Map();
    /** @type {Map<string, number>} how often tiles were left without an answer */
    this.unanswered = new Map();
    /** @type {Map<string, TileAddress>} most urgent first */
    this.visible = new Map();
    /** @type {Map<string, TileAddress>} */
    this.prefetch = new Map();
    /** @type {Set<string>} */
    this.awaited = new Set();
    /** @type {Set<Batch>} */
    this.batches = new Set();
    /** @type {Set<string>} */
    this.asked = new Set();
    this.telling = false;
    this.disposed = false;
  }

  /** @param {string} key @returns {Tile | undefined} */
  get(key) {
    const tile = this.tiles.get(key);
    if (tile) {
      this.tiles.delete(key);
      this.tiles.set(key, tile);
    }
    return tile;
  }

  /** @param {string} key @returns {boolean} */
  has(key) {
    return this.tiles.has(key);
  }

  /**
   * @param {string} key
   * @returns {string | null} why a tile couldn't be read; empty: the source doesn't have it
   */
  failure(key) {
    return this.failures.get(key)?.cause ?? null;
  }

  /** Visible tiles that may still come. */
  get loading() {
    let count = 0;
    for (const key of this.visible.keys()) if (this.open(key)) count++;
    return count;
  }

  /**
   * Whether a tile is neither there nor known to be unreadable.
   * @param {string} key
   */
  open(key) {
    if (this.tiles.has(key)) return false;
    const failed = this.failures.get(key);
    if (!failed || this.asked.has(key)) return true;
    return failed.cause !== "" && this.now() - failed.at >= AGAIN;
  }

  /** @param {Tile} tile */
  put(tile) {
    const { key } = tile;
    this.bytes += sizeOf(tile) - sizeOf(this.tiles.get(key));
    this.tiles.delete(key);
    this.tiles.set(key, tile);
    this.failures.delete(key);
    this.unanswered.delete(key);
    this.shrink();
    this.tell(key);
  }

  shrink() {
    for (const [old, { data }] of this.tiles) {
      if (this.bytes <= this.maxBytes) break;
      if (this.visible.has(old) || this.prefetch.has(old)) continue;
      this.tiles.delete(old);
      this.bytes -= data ? data.byteLength : SMALL;
    }
  }

  /**
   * What the view needs from now on, most urgent first; all that was wanted before is forgotten.
   * What doesn't fit into memory together isn't asked for.
   * @param {TileAddress[]} visible
   * @param {TileAddress[]} [prefetch]
   * @param {TileAddress[]} [awaited] those of `prefetch` that are shown when they come
   */
  want(visible, prefetch = [], awaited = []) {
    let room = this.maxBytes;
    /** @param {TileAddress[]} tiles @param {Map<string, TileAddress>} [known] */
    const fitting = (tiles, known) => {
      /** @type {Map<string, TileAddress>} */
      const out = new Map();
      for (const tile of tiles) {
        if (known?.has(tile.key) || out.has(tile.key)) continue;
        room -= tile.bytes;
        if (room < 0 && (known || out.size)) break;
        out.set(tile.key, tile);
      }
      return out;
    };
    this.awaited = new Set(awaited.map(({ key }) => key));
    this.visible = fitting(visible);
    this.prefetch = fitting(prefetch, this.visible);
    for (const batch of [...this.batches]) {
      const wanted = batch.tiles.some(({ key }) => {
        return !this.tiles.has(key) && (this.visible.has(key) || this.prefetch.has(key));
      });
      if (!wanted) this.end(batch, true);
    }
    this.pump();
  }

  /** Ask for as much as may be under way. */
  pump() {
    if (this.disposed) return;
    while (this.batches.size < this.source.inFlight) {
      const ahead = this.loading === 0;
      if (ahead && [...this.batches].some((batch) => batch.ahead)) return;
      const tiles = this.next(ahead ? this.prefetch : this.visible);
      if (!tiles.length) return;
      this.fetch(tiles, ahead);
    }
  }

  /** @param {Map<string, TileAddress>} queue @returns {TileAddress[]} a batch of what is missing */
  next(queue) {
    const out = [];
    let bytes = 0;
    for (const tile of queue.values()) {
      if (this.asked.has(tile.key) || !this.open(tile.key)) continue;
      bytes += tile.bytes;
      if (out.length && bytes > this.source.batchBytes) break;
      out.push(tile);
    }
    return out;
  }

  /** @param {TileAddress[]} tiles @param {boolean} ahead */
  fetch(tiles, ahead) {
    /** @type {Batch} */
    const batch = { tiles, ahead, handle: null };
    this.batches.add(batch);
    for (const { key } of tiles) this.asked.add(key);
    const requests = tiles.map((tile) => tile.request);
    batch.handle = this.source.fetch(requests, {
      // what comes after a batch was cancelled is no worse for that
      tile: (index, tile) => {
        if (this.disposed) return;
        const { key, request } = tiles[index];
        this.asked.delete(key);
        this.put({ key, request, ...tile });
      },
      fail: (index, cause) => this.fail(tiles[index].key, cause),
      done: () => {
        if (!this.batches.has(batch)) return;
        for (const { key } of tiles) this.miss(key);
        this.end(batch, false);
        this.pump();
      },
    });
  }

  /** @param {string} key @param {string} cause */
  fail(key, cause) {
    if (this.disposed) return;
    this.asked.delete(key);
    if (this.tiles.has(key)) return;
    this.failures.set(key, { cause, at: this.now() });
    this.tell(key);
  }

  /** Count tiles that a source has answered with nothing. @param {string} key */
  miss(key) {
    if (!this.asked.has(key) || this.tiles.has(key)) return;
    const times = (this.unanswered.get(key) ?? 0) + 1;
    this.unanswered.set(key, times);
    if (times < CHANCES) return;
    this.unanswered.delete(key);
    this.fail(key, `no answer to ${CHANCES} requests`);
  }

  /** @param {Batch} batch @param {boolean} cancel */
  end(batch, cancel) {
    this.batches.delete(batch);
    for (const { key } of batch.tiles) this.asked.delete(key);
    if (cancel) batch.handle?.cancel();
  }

  /**
   * Ask again for tiles that couldn't be read.
   * @param {string} [key]   one of them; all of them without it
   */
  retry(key) {
    if (key === undefined) this.failures.clear();
    else this.failures.delete(key);
    this.tell();
    this.pump();
  }

  /** Tell that what is shown has changed. @param {string} [key] a tile; what isn't shown is silent */
  tell(key) {
    if (this.telling || this.disposed) return;
    if (key !== undefined && !this.visible.has(key) && !this.awaited.has(key)) return;
    this.telling = true;
    queueMicrotask(() => {
      this.telling = false;
      if (!this.disposed) this.onChange();
    });
  }

  dispose() {
    this.disposed = true;
    for (const batch of [...this.batches]) this.end(batch, true);
    this.tiles.clear();
    this.bytes = 0;
  }
}

/** @param {Tile | undefined} tile */
function sizeOf(tile) {
  if (!tile) return 0;
  return tile.data ? tile.data.byteLength : SMALL;
}
