"""Films along an axis: GIF and MP4, written frame by frame, so that long ones need no memory."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from PIL import Image

from ngffkit.errors import NgffError
from ngffkit.widgets.bricks import Bricks
from ngffkit.widgets.files import suffix_of, written
from ngffkit.widgets.frames import Painter
from ngffkit.widgets.layers import Layers
from ngffkit.widgets.marks import caption, place_text
from ngffkit.widgets.panes import Json

Picture = npt.NDArray[np.uint8]

SUFFIXES = (".gif", ".mp4")

#: Browsers show frames of less than 2/100 s for 10/100 s.
_FASTEST_GIF = 50


@dataclass(frozen=True, slots=True)
class Film:
    """How a film is made; every field is a keyword of `movie`.

    Parameters
    ----------
    start, stop, step : int, optional
        Voxels of the axis, as for `range`; all of them when left out.
    fps : float
        Frames per second.
    size : (int, int)
        Width and height in pixels; MP4 needs even ones and drops a last odd row or column.
    caption : bool
        Whether each frame says where on the axis it is.
    """

    start: int | None = None
    stop: int | None = None
    step: int | None = None
    fps: float = 10.0
    size: tuple[int, int] = (960, 640)
    caption: bool = True

    @classmethod
    def of(cls, options: Json) -> Film:
        """Sort out keywords.

        Raises
        ------
        NgffError
            When one is unknown or can't be.
        """
        known = [f.name for f in fields(cls)]
        for name in options:
            if name not in known:
                raise NgffError(f"{name!r} is no option of a movie; these are {', '.join(known)}")
        film = cls(**options)
        if not 0 < film.fps <= 240:
            raise NgffError(f"fps={film.fps!r}: give frames per second, above 0 and at most 240")
        sides: tuple[int, ...] = film.size
        if len(sides) != 2 or not all(16 <= side <= 2**13 for side in sides):
            raise NgffError(f"size={film.size!r}: give width and height in pixels, 16 to {2**13}")
        return film

    def indices(self, size: int, axis: str) -> range:
        """Return the voxels of the frames.

        Raises
        ------
        NgffError
            When there are none.
        """
        for name in ("start", "stop", "step"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, (int, np.integer)):
                raise NgffError(f"{name}={value!r}: give whole voxels of mag 1, or leave it out")
        if self.step == 0:
            raise NgffError("step=0 would never end; give a step such as 1, or -1 to go backwards")
        found = range(size)[self.start : self.stop : self.step]
        if not len(found):
            raise NgffError(
                f"no frames: start={self.start}, stop={self.stop}, step={self.step} of axis "
                f"{axis!r}, which has voxels 0 to {size - 1}"
            )
        return found


def movie(
    layers: Layers,
    bricks: Bricks,
    state: Json,
    axis: str,
    path: str | os.PathLike[str],
    **options: Any,
) -> Path:
    """Film a view while it moves along an axis.

    Parameters
    ----------
    layers, bricks : Layers, Bricks
        What there is, and what reads it.
    state : Mapping
        ``SharedState`` of the view.
    axis : str
        The axis, e.g. ``"t"`` or the one across the plane.
    path : str or Path
        Where to write it, ``.gif`` or ``.mp4``. Written whole or not at all.
    **options
        Fields of `Film`.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    NgffError
        When there is no such axis or option, or MP4 is wanted without ``av``.
    """
    film, suffix = Film.of(options), suffix_of(path, SUFFIXES, "movies")
    painter = Painter(layers, bricks, fine=True)
    entry = _axis(painter.manifest, state, axis)
    voxels = film.indices(entry["size"], axis)
    if suffix == ".mp4":
        writer: Any = _Mp4
        _check_av()
    elif film.fps > _FASTEST_GIF:
        raise NgffError(
            f"fps={film.fps:g}: a GIF has at most {_FASTEST_GIF} frames per second; write .mp4"
        )
    else:
        writer = _Gif
    width, height = film.size
    if suffix == ".mp4":
        # colours are stored for squares of four pixels
        width, height = width // 2 * 2, height // 2 * 2
    with written(path) as partial, writer(partial, (width, height), film.fps) as out:
        for picture in _frames(painter, state, entry, voxels, film, (width, height)):
            out.add(picture)
    return Path(path)


def _axis(manifest: Json, state: Json, name: str) -> Json:
    names = [axis["name"] for axis in manifest["axes"]]
    if name not in names:
        raise NgffError(f"there is no axis {name!r}; the axes are {', '.join(names)}")
    plane = state["layout"] == "plane" or len(manifest["planes"]) < 3
    if plane and name in state["plane"]:
        raise NgffError(
            f"axis {name!r} lies in the plane ({', '.join(state['plane'])}) that is shown, so all "
            "frames would be alike; choose another axis, or another plane"
        )
    return dict(manifest["axes"][names.index(name)])


def _frames(
    painter: Painter,
    state: Json,
    axis: Json,
    voxels: Sequence[int],
    film: Film,
    size: tuple[int, int],
) -> Iterator[Picture]:
    width, height = size
    dpr = height / state["height"]
    for voxel in voxels:
        now = {**state, "voxel": {**state["voxel"], axis["name"]: voxel}}
        picture = painter.draw_marked(now, width, height, dpr)
        if film.caption:
            picture = caption(picture, place_text(axis, voxel), dpr)
        yield picture


class _Gif:
    """Writes a GIF; Pillow alone would keep all frames until the last one."""

    def __init__(self, path: Path, size: tuple[int, int], fps: float) -> None:
        self._path, self._size, self._fps, self._count = path, size, fps, 0

    def __enter__(self) -> Self:
        self._file = self._path.open("wb")
        # no palette for all, each frame has its own; the extension makes it start over, for ever
        self._file.write(b"GIF89a" + struct.pack("<HHBBB", *self._size, 0x70, 0, 0))
        self._file.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00")
        return self

    def add(self, picture: Picture) -> None:
        from PIL.GifImagePlugin import getdata

        # hundredths of a second, so that the sum stays right where one doesn't divide evenly
        begin, end = (round(100 * (self._count + i) / self._fps) for i in (0, 1))
        self._count += 1
        frame = Image.fromarray(picture).quantize(256, dither=Image.Dither.NONE)
        parts = getdata(frame, duration=10 * (end - begin), include_color_table=True)
        self._file.writelines(parts)

    def __exit__(self, *error: object) -> None:
        self._file.write(b";")
        self._file.close()


def _check_av() -> None:
    try:
        import av  # noqa: F401 - whether it is there
    except ImportError:
        raise NgffError(
            "MP4 needs PyAV: pip install 'ngffkit[movie]'; or write a .gif, which needs nothing"
        ) from None


class _Mp4:
    """Writes H.264 in an MP4 that players can start before they have all of it."""

    def __init__(self, path: Path, size: tuple[int, int], fps: float) -> None:
        self._path, self._size, self._fps = path, size, fps

    def __enter__(self) -> Self:
        import av

        self._file = av.open(str(self._path), "w", options={"movflags": "+faststart"})
        rate = Fraction(self._fps).limit_denominator(1001)
        stream: Any = self._file.add_stream("libx264", rate=rate)
        stream.width, stream.height = self._size
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "18", "preset": "medium"}
        # said in the file, or players guess by the size of the picture which colours are meant
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = 1  # BT.709
        context.color_range = 1  # 16 to 235
        self._stream = stream
        return self

    def add(self, picture: Picture) -> None:
        import av

        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
        self._file.mux(self._stream.encode(frame))

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self._file.mux(self._stream.encode())
        self._file.close()
