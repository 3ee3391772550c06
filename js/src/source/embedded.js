/**
 * Tiles that the page itself holds, where there is no kernel.
 *
 * @typedef {import("../types.js").Receiver} Receiver
 * @typedef {import("../types.js").Source} Source
 * @typedef {import("../types.js").State} State
 * @typedef {import("../types.js").TileRequest} TileRequest
 * @typedef {{request: TileRequest, shape: number[], dtype: string, constant?: string,
 *   data?: string}} Kept   `data`: deflated bytes as base64 text
 */
import { keyOf } from "../levels.js";
import { toBytes, unpack } from "../pixels.js";

const MISSING = "not saved in this page; open the image with ngffkit to see it";

/** @implements {Source} */
export class EmbeddedSource {
  /** @param {Kept[]} tiles */
  constructor(tiles) {
    this.inFlight = 2;
    this.batchBytes = 2 ** 20;
    this.tiles = new Map(tiles.map((tile) => [keyOf(tile.request), tile]));
  }

  /** @param {(status: State["status"]) => void} listener */
  onStatus(listener) {
    listener("static");
  }

  /**
   * @param {TileRequest[]} requests
   * @param {Receiver} to   a tile that isn't here fails with an empty cause
   * @returns {{cancel: () => void}}
   */
  fetch(requests, to) {
    let live = true;
    const all = requests.map(async (request, index) => {
      const kept = this.tiles.get(keyOf(request));
      try {
        const tile = kept && unpack(kept, await pixelsOf(kept));
        if (live && tile) to.tile(index, tile);
        else if (live) to.fail(index, "");
      } catch (error) {
        if (live) to.fail(index, error instanceof Error ? error.message : String(error));
      }
    });
    Promise.all(all).then(() => {
      if (live) to.done();
    });
    return {
      cancel: () => {
        live = false;
      },
    };
  }

  /** @returns {Promise<never>} */
  frame() {
    return Promise.reject(new Error(`this picture is ${MISSING}`));
  }

  /** @returns {Promise<never>} */
  profile() {
    return Promise.reject(new Error(`profiles are ${MISSING}`));
  }
}

/** @param {Kept} kept @returns {Promise<ArrayBuffer | null>} */
async function pixelsOf({ data }) {
  if (data === undefined) return null;
  const packed = new Blob([/** @type {any} */ (toBytes(data))]).stream();
  return new Response(packed.pipeThrough(new DecompressionStream("deflate-raw"))).arrayBuffer();
}
