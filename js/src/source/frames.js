/**
 * Where there is no WebGL2 Python draws: a picture of the whole canvas for each state. One is under
 * way at a time, and the next one asked for is of the state by then.
 *
 * @typedef {import("../viewer.js").Viewer} Viewer
 * @typedef {import("../types.js").State} State
 * @typedef {import("../types.js").Renderer} Renderer
 */

/** @implements {Renderer} */
export class FrameRenderer {
  /**
   * @param {Viewer} viewer
   * @param {() => void} arrived called when a picture is on the canvas
   */
  constructor(viewer, arrived) {
    this.viewer = viewer;
    this.arrived = arrived;
    this.context = /** @type {CanvasRenderingContext2D} */ (viewer.canvas.getContext("2d"));
    this.asked = 0;
    this.drawn = 0;
    this.busy = false;
    this.disposed = false;
    /** What the last picture was asked for. */
    this.key = "";
    viewer.root.dataset.renderer = "frames";
  }

  /** Whether the last state that was drawn is the one to see. */
  get current() {
    return this.asked === this.drawn;
  }

  draw() {
    const { values } = this.viewer.state;
    // what Python doesn't know of doesn't change its picture
    const key = JSON.stringify([shared(values), this.viewer.root.dataset.theme, this.viewer.size()]);
    if (key !== this.key) {
      this.key = key;
      this.asked++;
      this.ask();
    }
  }

  async ask() {
    if (this.busy || this.current) return;
    this.busy = true;
    const wanted = this.asked;
    const { state, root } = this.viewer;
    const [width, height, dpr] = this.viewer.size();
    try {
      const { source } = this.viewer;
      if (!source.frame) throw new Error("this page needs WebGL2");
      const png = await source.frame(
        { ...shared(state.values), theme: root.dataset.theme },
        width,
        height,
        dpr,
      );
      const picture = await createImageBitmap(new Blob([png], { type: "image/png" }));
      this.context.drawImage(picture, 0, 0);
    } catch (error) {
      if (this.disposed) return;
      this.viewer.say(`Python can't draw: ${error instanceof Error ? error.message : error}`);
    }
    if (this.disposed) return;
    this.busy = false;
    this.drawn = wanted;
    if (this.current) this.arrived();
    else this.ask();
  }

  read() {
    const { width, height } = this.viewer.canvas;
    return { width, height, pixels: this.context.getImageData(0, 0, width, height).data };
  }

  dispose() {
    this.disposed = true;
  }
}

/** What Python draws by, of the state. @param {State} state */
function shared({ hover, loading, status, message, help, panel, playing, rate, pane, ...rest }) {
  return { ...rest, selection: {}, tool: "pan" };
}
