/**
 * Playing an axis: the next plane comes when its time has come and the last one is on the screen.
 *
 * @typedef {import("./types.js").Viewer} Viewer
 */

export class Playback {
  /** @param {Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    /** Whether a step waits for the picture before it. */
    this.due = false;
    /** @type {any} */
    this.timer = null;
    viewer.state.on("playing", () => this.wait());
    viewer.state.on("rate", () => this.wait());
  }

  wait() {
    clearTimeout(this.timer);
    this.due = false;
    const { state, root } = this.viewer;
    if (state.get("playing") === null) return;
    this.timer = setTimeout(() => {
      this.due = true;
      if (root.dataset.settled === "true") this.step();
    }, 1000 / state.get("rate"));
  }

  /** The picture is complete. */
  settled() {
    if (this.due) this.step();
  }

  step() {
    const { manifest, state } = this.viewer;
    const axis = manifest.axes.find(({ name }) => name === state.get("playing"));
    if (!axis) return;
    const voxel = state.get("voxel");
    this.wait();
    state.set({ voxel: { ...voxel, [axis.name]: (voxel[axis.name] + 1) % axis.size } });
  }

  dispose() {
    clearTimeout(this.timer);
  }
}
