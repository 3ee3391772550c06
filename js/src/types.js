/**
 * The words that the parts of the viewer share. Types only: nothing here runs.
 *
 * Two coordinate systems are in use, and no others:
 *
 * - *voxels*: positions in pixels of the finest level of the first image, fractions allowed. The
 *   centre of pixel `i` is `i`, its edges are `i - 0.5` and `i + 0.5`. Positions in units follow as
 *   `axis.origin + voxel * axis.scale`, in the same order of operations as in Python, so that they
 *   agree to the last digit.
 * - *device pixels* of the canvas, from its upper left corner; `dpr` of them are one CSS pixel.
 *
 * A level's own pixel `j` has its centre at `level.offset[axis] + j * level.factor[axis]` voxels.
 */

/**
 * One axis of the scene; channels are no axis here.
 * @typedef {object} Axis
 * @property {string} name        e.g. "z"
 * @property {string} type        "space", "time" or another
 * @property {string} unit        as shown: "µm"; empty when there is none
 * @property {number} size        pixels of the finest level
 * @property {number} scale       distance of pixel centres, in `unit`
 * @property {number} origin      position of the first pixel's centre, in `unit`
 * @property {string[] | null} values  what to show for each pixel where positions are no even numbers
 * @property {number} display     extent of one voxel in a unit that all spatial axes share
 */

/**
 * One array of a layer's pyramid. Objects are by axis name and hold the layer's own axes only.
 * @typedef {object} Level
 * @property {string} mag                       as WEBKNOSSOS spells it: "2-2-1"
 * @property {Record<string, number>} shape
 * @property {Record<string, number>} factor    voxels that one pixel spans
 * @property {Record<string, number>} offset    voxel coordinate of the first pixel's centre
 * @property {Record<string, number>} chunk     shape of a chunk
 * @property {Record<string, number>} tile      extent of a tile along each spatial axis; tile `k` of
 *   an axis is the pixels from `k * tile` up to `(k + 1) * tile`, cut at the shape
 */

/**
 * @typedef {object} ChannelInfo
 * @property {string} label
 * @property {[number, number]} range   limits of what its window can sensibly be
 */

/**
 * Something that is shown: an image, or a label image.
 * @typedef {object} Layer
 * @property {string} name
 * @property {"intensity" | "label"} kind
 * @property {DType} dtype               of the pixels as they come over the wire
 * @property {string[]} axes             in the order of the array, without channels
 * @property {ChannelInfo[]} channels    at least one; label layers have exactly one
 * @property {Level[]} levels            finest first
 * @property {[string, [number, number, number, number]][]} colors  given colours by id, 0 to 255
 */

/** @typedef {"uint8"|"int8"|"uint16"|"int16"|"uint32"|"int32"|"uint64"|"int64"|"float16"|"float32"|"float64"} DType */
/** @typedef {Uint8Array|Int8Array|Uint16Array|Int16Array|Uint32Array|Int32Array|BigUint64Array|BigInt64Array|Float32Array|Float64Array} Pixels */

/**
 * All that is known before a pixel is read. Comes from Python (`Layers.manifest()`), never changes.
 * @typedef {object} Manifest
 * @property {string} name
 * @property {Axis[]} axes          in the order of the first image's array
 * @property {string[]} spatial     names of the axes a plane can be made of, in the order of `axes`
 * @property {string} reference     the spatial axis that `zoom` is measured on
 * @property {[string, string][]} planes  [horizontal, vertical] each; one or three of them
 * @property {Layer[]} layers       images first, then label images
 */

/**
 * How a channel is shown; one for each channel of each intensity layer, in the order of the layers.
 * @typedef {object} ChannelState
 * @property {boolean} visible
 * @property {string} color               "#rrggbb"
 * @property {[number, number]} window    values shown black and in full colour
 * @property {number} gamma               shade = clip((v - lo) / (hi - lo), 0, 1) ** gamma
 */

/**
 * How a label layer is shown; one for each, in the order of the layers.
 * @typedef {object} LabelState
 * @property {boolean} visible
 * @property {number} opacity     0 to 1
 * @property {number} outline     width in CSS pixels; 0: areas
 * @property {number} seed        0: the colours Python gives; another: others
 * @property {string[]} selected  decimal ids; these are highlighted
 */

/**
 * What the user has drawn, in voxels. `{}` is nothing. A box holds lo <= pixel < hi, integers, for
 * every spatial axis; points and the two ends of a line hold every axis.
 * @typedef {{} | {kind: "box", lo: Record<string, number>, hi: Record<string, number>}
 *   | {kind: "points", points: Record<string, number>[]}
 *   | {kind: "line", points: Record<string, number>[]}} Selection
 */

/**
 * The state that Python shares. Each key is one synced trait of the same name; values are replaced,
 * never changed in place.
 * @typedef {object} SharedState
 * @property {Record<string, number>} voxel   the crosshair: an integer for every axis
 * @property {Record<string, number>} center  middle of the panes, for every spatial axis
 * @property {number} zoom                    CSS pixels per voxel of the reference axis
 * @property {"plane" | "ortho" | "volume"} layout
 * @property {[string, string]} plane         which one, in layout "plane"
 * @property {number} slab                    voxels projected along the normal (maximum); 1: a plane
 * @property {ChannelState[]} channels
 * @property {LabelState[]} labels
 * @property {string} held_mag                mag to show whatever the zoom; "": automatic
 * @property {string} shown_mag               mag of the first pane (written by the viewer)
 * @property {Selection} selection
 * @property {"pan" | "box" | "points" | "line"} tool
 * @property {boolean} scalebar
 * @property {boolean} crosshair
 * @property {[number, number]} turn          yaw and pitch of the volume, in degrees
 * @property {"auto" | "dark" | "light"} theme
 * @property {number} height                  of the canvas, in CSS pixels
 */

/**
 * State of one view that Python doesn't see.
 * @typedef {object} LocalState
 * @property {Hover | null} hover       what is under the cursor
 * @property {string | null} playing    the axis that plays
 * @property {number} rate              planes per second of playback
 * @property {number} loading           tiles on their way
 * @property {"ok" | "busy" | "lost" | "static"} status   kernel: answers, is busy, is gone; no kernel by design
 * @property {string} message           a word to the user, such as an error; empty
 * @property {boolean} help             whether the list of keys is open
 * @property {boolean} panel            whether channels and labels are shown beside the canvas
 * @property {number} maximised         pane that fills the canvas in layout "ortho"; -1: none
 * @property {number} pane              pane that the keys act on
 */

/** @typedef {SharedState & LocalState} State */

/**
 * @typedef {object} Hover
 * @property {number} pane
 * @property {number} x                 device pixels
 * @property {number} y
 * @property {Record<string, number>} voxel   integer for every axis
 * @property {string} position          "z 120 (3 µm) y 5 (...)": voxels and units, as shown
 * @property {{label: string, text: string, mag: string}[]} values  one per visible channel and label layer
 * @property {string} error             cause of the tile's failure under the cursor; empty
 */

/**
 * A box of one channel of one level, in the level's own pixels: what is asked of Python. Python
 * reads it, takes the maximum along axes that `order` lacks, and sends it in the order of `order`.
 * @typedef {object} TileRequest
 * @property {number} layer
 * @property {number} level
 * @property {number} channel
 * @property {Record<string, [number, number]>} box   start and stop for each of the layer's axes
 * @property {string[]} order    axes of the result: [vertical, horizontal], or [z, y, x] for a volume
 */

/**
 * Where a tile is, with the request that gets it. `key` is equal for equal requests only.
 * @typedef {object} TileAddress
 * @property {string} key
 * @property {TileRequest} request
 * @property {number} bytes      about how many it has
 */

/**
 * A tile that arrived. One value all over is sent as `constant`, with `data` null.
 * @typedef {object} Tile
 * @property {string} key
 * @property {TileRequest} request
 * @property {number[]} shape    as `request.order`
 * @property {DType} dtype       of `data`; float16 is widened to Float32Array on arrival
 * @property {Pixels | null} data
 * @property {number | bigint | null} constant
 */

/**
 * Where tiles come from: the kernel, or the page itself.
 * @typedef {object} Source
 * @property {number} inFlight      batches under way at most
 * @property {number} batchBytes    about how many bytes a batch should ask for
 * @property {(requests: TileRequest[], to: Receiver) => {cancel: () => void}} fetch
 * @property {(listener: (status: State["status"]) => void) => void} onStatus
 */

/**
 * `done` comes once, last, unless the batch was cancelled; a request that neither arrived nor failed
 * by then is to be asked again.
 * @typedef {object} Receiver
 * @property {(index: number, tile: Omit<Tile, "key" | "request">) => void} tile
 * @property {(index: number, cause: string) => void} fail
 * @property {() => void} done
 */

/**
 * One pane of the canvas.
 * @typedef {object} Pane
 * @property {number} index
 * @property {[string, string]} plane      horizontal, vertical
 * @property {string | null} normal        the spatial axis across; null in flat images
 * @property {{x: number, y: number, w: number, h: number}} rect   device pixels, integers
 * @property {[number, number]} scale      device pixels per voxel along the two axes
 * @property {[number, number]} corner     voxel coordinates of the pane's upper left corner
 */

/**
 * A rectangle of a pane and the texels of one tile that it shows, each pixel of a level exactly once.
 * @typedef {object} Quad
 * @property {Tile} tile
 * @property {[number, number, number, number]} screen   left, top, right, bottom; device pixels in the pane
 * @property {[number, number, number, number]} texels   the same edges in the tile's texels (fractions)
 */

/**
 * What a layer's channel shows in a pane.
 * @typedef {object} Cover
 * @property {number} layer
 * @property {number} channel
 * @property {Quad[]} quads                        disjoint; together with `holes` all of the image in view
 * @property {[number, number, number, number][]} holes     nothing has arrived yet; device pixels in the pane
 * @property {{screen: [number, number, number, number], cause: string, key: string}[]} failed  shown hatched, over what is there
 */

/**
 * @typedef {object} PaneFrame
 * @property {Pane} pane
 * @property {Cover[]} covers
 */

/**
 * Everything the renderer needs for one picture.
 * @typedef {object} Frame
 * @property {number} width      device pixels
 * @property {number} height
 * @property {number} dpr
 * @property {[number, number, number]} background   0 to 1; outside of the image
 * @property {PaneFrame[]} panes
 * @property {ChannelState[]} channels   flat, as in the state
 * @property {LabelState[]} labels
 * @property {(string | null)[]} hovered   id under the cursor, for each label layer
 * @property {VolumeFrame | null} volume   the pane of layout "volume"
 */

/**
 * @typedef {object} VolumeFrame
 * @property {{x: number, y: number, w: number, h: number}} rect
 * @property {{layer: number, channel: number, tile: Tile}[]} bricks   whole levels, order [z, y, x]
 * @property {[number, number]} turn      yaw and pitch, degrees
 * @property {[number, number, number]} extent  of the scene along x, y, z of the bricks, common display units
 * @property {number} zoom                device pixels per common display unit
 */

/**
 * What draws. `GlRenderer` is one; without WebGL2 Python draws (see `source/frames.js`).
 * @typedef {object} Renderer
 * @property {(frame: Frame) => void} draw
 * @property {() => {width: number, height: number, pixels: Uint8ClampedArray}} read   RGBA, top row first
 * @property {() => void} dispose
 */

/**
 * What the parts of the user interface may use of the viewer (`viewer.js`).
 * @typedef {object} Viewer
 * @property {Manifest} manifest
 * @property {import("./state.js").Store<State>} state
 * @property {import("./tiles.js").TileStore} tiles
 * @property {HTMLElement} root              class "nk-viewer"; everything is inside of it
 * @property {HTMLCanvasElement} canvas      has the focus; WebGL draws here
 * @property {HTMLCanvasElement} overlay     2-D, above the canvas, of its size, takes no events
 * @property {number} dpr                    device pixels per CSS pixel
 * @property {() => Pane[]} panes            as they were last drawn
 * @property {() => PaneFrame[]} frames      what they showed
 * @property {(x: number, y: number) => {pane: Pane, voxel: Record<string, number>} | null} at
 *   pane and voxel position (fractions along the pane's axes) at a device pixel of the canvas
 * @property {(name: string, argument?: any) => void} act   carries out an action (`ui/actions.js`)
 * @property {() => void} invalidate         draws again at the next animation frame
 * @property {(points: Record<string, number>[]) => Promise<Profile>} profile   values along a line
 * @property {() => Promise<Blob>} picture   PNG of canvas and overlay
 * @property {(text: string) => void} say    a word to the user and to screen readers
 */

/**
 * @typedef {object} Profile
 * @property {number[]} distance
 * @property {string} unit
 * @property {{label: string, color: string, values: (number | null)[]}[]} channels
 */

export {};
