/**
 * What a view shows, as a file.
 * @param {import("./types.js").Renderer} renderer
 * @param {HTMLCanvasElement} overlay
 * @returns {Promise<Blob>} a PNG
 */
export function pictureOf(renderer, overlay) {
  const { width, height, pixels } = renderer.read();
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  context?.putImageData(new ImageData(new Uint8ClampedArray(pixels), width, height), 0, 0);
  context?.drawImage(overlay, 0, 0);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))));
  });
}
