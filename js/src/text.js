/**
 * Numbers, positions and lengths as people write them. Lengths are written as by Python's
 * `ngffkit.plots.scalebar`.
 *
 * @typedef {import("./types.js").Axis} Axis
 */

const PREFIXES = { y: -24, z: -21, a: -18, f: -15, p: -12, n: -9, µ: -6, m: -3, c: -2, d: -1 };
const LARGER = { h: 2, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18, Z: 21, Y: 24 };
/** @type {Map<string, number>} metres of the units that are powers of ten of one */
const METRES = new Map([["m", 1], ["Å", 1e-10]]);
for (const [letter, power] of Object.entries({ ...PREFIXES, ...LARGER })) {
  METRES.set(`${letter}m`, Number(`1e${power}`));
}
/** Lengths are shown in these. @type {Record<number, string>} */
const SHOWN = { "-15": "fm", "-12": "pm", "-9": "nm", "-6": "µm", "-3": "mm", 0: "m", 3: "km" };

/**
 * A number as Python's format "g" writes it: that many significant digits, no trailing zeros.
 * @param {number} value
 * @param {number} digits
 * @returns {string}
 */
function general(value, digits) {
  if (!Number.isFinite(value)) return String(value).replace("Infinity", "inf").toLowerCase();
  const [mantissa, power] = value.toExponential(digits - 1).split("e");
  const exponent = Number(power);
  /** @param {string} text */
  const bare = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  if (exponent >= -4 && exponent < digits) {
    return bare(Number(`${mantissa}e${power}`).toFixed(Math.max(digits - 1 - exponent, 0)));
  }
  const size = String(Math.abs(exponent)).padStart(2, "0");
  return `${bare(mantissa)}e${exponent < 0 ? "-" : "+"}${size}`;
}

/**
 * A number for people: integers as they are, others with up to six significant digits.
 * @param {number | bigint} value
 * @param {number} [digits]
 * @returns {string}
 */
export function formatNumber(value, digits = 6) {
  if (typeof value === "bigint" || Number.isSafeInteger(value)) return String(value);
  return general(value, digits);
}

/**
 * Position of a voxel in the axis' unit: the very number that Python has.
 * @param {Axis} axis
 * @param {number} voxel
 * @returns {number}
 */
export function coordinate(axis, voxel) {
  return axis.origin + voxel * axis.scale;
}

/**
 * A number with its unit.
 * @param {number} value
 * @param {string} unit   symbol, may be empty
 * @param {number} [digits]
 * @returns {string}
 */
export function quantity(value, unit, digits = 6) {
  return formatNumber(value, digits) + (unit && unit !== "°" ? ` ${unit}` : unit);
}

/**
 * Where a voxel is, in units or as the axis' own text; with digits that tell neighbours apart.
 * @param {Axis} axis
 * @param {number} voxel
 * @returns {string}
 */
export function coordinateText(axis, voxel) {
  const named = axis.values?.[voxel];
  if (named !== undefined) return named;
  const value = coordinate(axis, voxel);
  const needed = Math.ceil(Math.log10(Math.abs(value / axis.scale))) + 3;
  return quantity(value, axis.unit, Math.min(Math.max(needed || 0, 6), 15));
}

/**
 * A position along an axis as the status line shows it: "z 120 (3 µm)".
 * @param {Axis} axis
 * @param {number} voxel
 * @returns {string}
 */
export function positionText(axis, voxel) {
  const own = axis.values || axis.unit || axis.scale !== 1 || axis.origin !== 0;
  return `${axis.name} ${voxel}${own ? ` (${coordinateText(axis, voxel)})` : ""}`;
}

/**
 * The largest of 1, 2, 5, 10, 20, 50, ... (and 0.5, 0.2, ...) that is at most `limit`.
 * @param {number} limit
 * @returns {number}
 */
export function niceLength(limit) {
  if (!(Number.isFinite(limit) && limit > 0)) {
    throw new Error(`a length must be a positive number, got ${limit}`);
  }
  const power = Math.floor(Math.log10(limit));
  for (const exponent of [power + 1, power, power - 1]) {
    for (const digit of [5, 2, 1]) {
      const length = Number(`${digit}e${exponent}`);
      if (length <= limit * (1 + 1e-9)) return length;
    }
  }
  return limit;
}

/**
 * A length in the unit that suits its size.
 * @param {number} length
 * @param {string} unit   symbol; empty for pixels
 * @returns {string}
 */
export function lengthText(length, unit) {
  const factor = METRES.get(unit);
  if (factor === undefined) {
    const number = general(length, 6);
    return unit === "°" ? number + unit : `${number} ${unit || "px"}`;
  }
  const metres = Number((length * factor).toPrecision(12));
  let power = Math.floor(Math.log10(metres) / 3 + 1e-12) * 3;
  if (1e-10 <= metres && metres < 1e-9) power = -9; // nobody says 500 pm
  power = Math.min(Math.max(power, -15), 3);
  return `${general(metres / Number(`1e${power}`), 6)} ${SHOWN[power]}`;
}
