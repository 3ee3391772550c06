/**
 * From bytes to pixels, whatever form the bytes arrive in.
 *
 * @typedef {import("./types.js").DType} DType
 * @typedef {import("./types.js").Pixels} Pixels
 * @typedef {import("./types.js").Tile} Tile
 */

/** @type {Record<DType, any>} */
const ARRAYS = {
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  uint64: BigUint64Array,
  int64: BigInt64Array,
  float16: Uint16Array,
  float32: Float32Array,
  float64: Float64Array,
};

/** @type {Float32Array | null} the value of each of the 65,536 half-precision numbers */
let halves = null;

/** @param {number} bits @returns {number} */
function half(bits) {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : fraction * 2 ** -24);
}

/**
 * Bytes on the wire of one pixel.
 * @param {DType} dtype
 * @returns {number}
 */
export function itemSize(dtype) {
  return ARRAYS[dtype].BYTES_PER_ELEMENT;
}

/**
 * Bytes, in whatever form a front end hands them over: marimo and Shiny send base64 text.
 * @param {DataView | ArrayBuffer | ArrayBufferView | string} form
 * @returns {Uint8Array}
 */
export function toBytes(form) {
  if (typeof form === "string") return Uint8Array.from(atob(form), (c) => c.charCodeAt(0));
  if (ArrayBuffer.isView(form)) {
    return new Uint8Array(form.buffer, form.byteOffset, form.byteLength);
  }
  return new Uint8Array(form);
}

/**
 * Little-endian bytes as pixels; float16 is widened to float32. Shares memory where it can.
 * @param {DType} dtype
 * @param {DataView | ArrayBuffer | ArrayBufferView | string} form
 * @returns {Pixels}
 */
export function decode(dtype, form) {
  const Kind = ARRAYS[dtype];
  let bytes = toBytes(form);
  const size = Kind.BYTES_PER_ELEMENT;
  if (bytes.length % size) {
    throw new Error(`${bytes.length} bytes are no whole number of ${dtype} pixels`);
  }
  if (bytes.byteOffset % size) bytes = bytes.slice();
  const raw = new Kind(bytes.buffer, bytes.byteOffset, bytes.length / size);
  if (dtype !== "float16") return raw;
  const table = (halves ??= Float32Array.from({ length: 65536 }, (_, bits) => half(bits)));
  return Float32Array.from(raw, (bits) => table[bits]);
}

/**
 * A tile's contents from what the wire says of it.
 * @param {{shape: number[], dtype: string, constant?: string}} meta
 * @param {DataView | ArrayBuffer | ArrayBufferView | string | null} form  null for constants
 * @returns {Omit<Tile, "key" | "request">}
 */
export function unpack(meta, form) {
  const { shape } = meta;
  const sent = /** @type {DType} */ (meta.dtype);
  if (!ARRAYS[sent]) throw new Error(`pixels of type ${sent} cannot be shown`);
  const dtype = sent === "float16" ? "float32" : sent;
  if (meta.constant !== undefined) {
    return { shape, dtype, data: null, constant: parseConstant(sent, meta.constant) };
  }
  const data = decode(sent, form ?? "");
  const count = shape.reduce((a, b) => a * b, 1);
  if (data.length !== count) {
    throw new Error(`a tile of ${shape.join(" x ")} pixels came with ${data.length}`);
  }
  return { shape, dtype, data, constant: null };
}

/**
 * The value of a tile that is the same all over.
 * @param {DType} dtype
 * @param {string} text   decimal, "nan", "inf" or "-inf"
 * @returns {number | bigint}
 */
export function parseConstant(dtype, text) {
  if (dtype === "uint64" || dtype === "int64") return BigInt(text);
  const named = { nan: NaN, inf: Infinity, "-inf": -Infinity }[text];
  return named ?? Number(text);
}

/**
 * The pixel at a row and column of a tile.
 * @param {Tile} tile
 * @param {number} row
 * @param {number} column
 * @returns {number | bigint}
 */
export function valueAt(tile, row, column) {
  if (tile.data) return tile.data[row * tile.shape[1] + column];
  return /** @type {number | bigint} */ (tile.constant);
}
