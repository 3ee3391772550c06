"""The viewer for notebooks: a widget whose state is Python's as much as the page's.

What is drawn is drawn by the page (``js/``). Here are its traits, what they may be, and what is
made of them: positions, selections, pictures.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import ipywidgets
import traitlets
import xarray as xr

from ngffkit.errors import NgffError
from ngffkit.widgets import drawn, preparing, profiles, selecting
from ngffkit.widgets import state as states
from ngffkit.widgets.comms import Line, follow_the_page
from ngffkit.widgets.files import bundle
from ngffkit.widgets.first import First
from ngffkit.widgets.linking import Link
from ngffkit.widgets.preparing import Scene
from ngffkit.widgets.traits import GUARD, Part, Told
from ngffkit.widgets.wire import Wire
from ngffkit.widgets.words import WORDS

if TYPE_CHECKING:
    from ngffkit.plots.drawing import Picture

#: `layout` is what ipywidgets calls the CSS of a widget, and its page looks it up as such.
_SYNCED = {"layout": "_layout"}
_KEYS = {trait: key for key, trait in _SYNCED.items()}

#: Samples of a profile in the page: more than it has pixels.
_SHOWN_SAMPLES = 2048


def browse(
    obj: Any,
    *,
    labels: Any = True,
    channels: Sequence[str | int] | str | int | None = None,
    layout: str = "plane",
    position: Mapping[str, Any] | None = None,
    **options: Any,
) -> Viewer:
    """Look at an image: pan, zoom, step, contrast, labels; what is chosen comes back to Python.

    Parameters
    ----------
    obj : object
        A path or URL, or whatever holds pixels: DataTree, Dataset, DataArray, dask or NumPy array.
        A tree has a choice of mags; a part cut out of one has the same mags, cut to this part.
    labels : bool, str, DataArray or list of these
        Label images to lay over it: True are all that belong to it.
    channels : sequence of str or int, optional
        Those that are visible at first; the image's own choice when left out.
    layout : {"plane", "ortho", "volume"}
        One plane; three planes and a projection; the projection alone.
    position : Mapping of str to float, optional
        Where it stands, by axis, in its coordinates: the middle of space, the first of others.
    **options
        Names of axes with positions, ``z=12.5``, and the other fields of
        `ngffkit.widgets.preparing.Look`: ``colors``, ``windows``, ``plane``, ``zoom``, ``mag``,
        ``height``, ``cache``, ``theme``, ``name``.

    Returns
    -------
    Viewer
        Shows itself at the end of a cell.

    Raises
    ------
    NgffError
        When it can't be shown, or there is no such option, axis, channel or label image.

    Examples
    --------
    >>> import numpy as np
    >>> view = browse(np.zeros((4, 8, 8)), z=3)
    >>> view.position, view.layout
    ({'z': 3.0, 'y': 4.0, 'x': 4.0}, 'plane')
    """
    given = {"labels": labels, "channels": channels, "layout": layout, "position": position}
    return Viewer(preparing.prepare(obj, {**given, **options}))


class Viewer(anywidget.AnyWidget):
    """One view of an image. Made by `ngffkit.browse`.

    All of its state can be observed and set, from Python as from the page: ``view.observe(f,
    "position")``, ``view.zoom = 2``. Values are replaced, not changed in place.

    Attributes
    ----------
    position : dict
        Where it stands, by axis, in the coordinates of the image. Setting it goes to the nearest
        pixel; axes that are left out stay.
    voxel, center : dict
        The same in voxels; the middle of the panes.
    zoom : float
        CSS pixels per voxel along the reference axis; 0 until a page has shown all of the image.
    mag : str
        The mag that is shown. Setting it holds it whatever the zoom; ``"auto"`` lets go.
    layout, plane : str, list of str
        ``"plane"``, ``"ortho"`` or ``"volume"``; which plane, as ``"xz"`` or two names.
    window : dict
        Values that are black and full colour, by channel.
    channels, labels : list of dict
        How each channel and each label layer is shown.
    selection : dict
        What is drawn, in voxels. In coordinates it can be set, too: ``{"box": {"x": (10, 20)}}``,
        ``{"points": [...]}``, ``{"line": (a, b)}``; see `box`, `points`, `line` and `selected`.
    selected_ids : dict
        Ids of labels that are selected, by label layer.
    """

    _esm = traitlets.Unicode().tag(sync=True)
    _manifest = traitlets.Dict().tag(sync=True)
    _first = traitlets.Dict().tag(sync=True)
    _links = traitlets.List(traitlets.Dict()).tag(sync=True)
    _wire = traitlets.Any().tag(sync=True, **ipywidgets.widget_serialization)

    voxel = Part().tag(sync=True)
    center = Part().tag(sync=True)
    zoom = Part().tag(sync=True)
    plane = Part().tag(sync=True)
    slab = Part().tag(sync=True)
    channels = Part().tag(sync=True)
    labels = Part().tag(sync=True)
    held_mag = Part().tag(sync=True)
    shown_mag = Part().tag(sync=True)
    selection = Part().tag(sync=True)
    tool = Part().tag(sync=True)
    scalebar = Part().tag(sync=True)
    crosshair = Part().tag(sync=True)
    turn = Part().tag(sync=True)
    theme = Part().tag(sync=True)
    height = Part().tag(sync=True)
    _layout = Part().tag(sync=True)

    # the same in the words of Python
    layout = Part()
    position = Part()
    mag = Part()
    window = Part()
    selected_ids = Part()

    def __init__(self, scene: Scene) -> None:
        self.scene, self.places = scene, scene.places
        self._known: dict[str, Any] = {}
        self.links: list[Link] = []
        self._shown = First.read(scene.layers, scene.bricks, scene.state)
        self._line = Line()
        layers, bricks = scene.layers, scene.bricks
        # pages without a manager of widgets (marimo) know no other model than this one
        self._wires: dict[Any, Wire] = {
            line: Wire(layers, line.send, bricks=bricks, frame=self._frame, profile=self._profile)
            for line in (self._line, self)
        }
        self._line.on_msg(self._answer)
        given = {**scene.state, "shown_mag": self._shown.mag}
        super().__init__(
            _esm=bundle(),
            _manifest=dict(scene.places.manifest),
            _first={"tiles": self._shown.tiles},
            _wire=self._line,
            **{_SYNCED.get(key, key): value for key, value in given.items()},
        )
        follow_the_page(self)
        self.on_msg(self._answer)

    # --- the state, its two spellings, and who may set it ----------------------------------------

    @property
    def state(self) -> dict[str, Any]:
        """All that Python and the page share, as ``SharedState`` of ``js/src/types.js``."""
        return {key: getattr(self, _SYNCED.get(key, key)) for key in states.KEYS}

    @traitlets.validate(*(_SYNCED.get(key, key) for key in states.KEYS))
    def _check(self, proposal: Any) -> Any:
        key = _KEYS.get(proposal.trait.name, proposal.trait.name)
        with GUARD:
            value = states.checked(key, proposal.value, self.places, self._known)
            self._known[key] = value
        return value

    @traitlets.observe(*(_SYNCED.get(key, key) for key in states.KEYS))
    def _follow(self, change: Any) -> None:
        key = _KEYS.get(change["name"], change["name"])
        with GUARD:
            for name, word in WORDS.items():
                if key in word.parts:
                    self.set_trait(name, Told(word.told(self.state, self.places)))

    @traitlets.validate(*WORDS)
    def _want(self, proposal: Any) -> Any:
        word, value = WORDS[proposal.trait.name], proposal.value
        if isinstance(value, Told):
            return value.value
        with GUARD:
            for key, part in word.wanted(value, self.state, self.places).items():
                self.set_trait(_SYNCED.get(key, key), part)
            return word.told(self.state, self.places)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what the page says; it gets back what can't be."""
        with GUARD:
            good, bad = {}, []
            for name, value in sync_data.items():
                try:
                    key = _KEYS.get(name, name)
                    states.checked(key, value, self.places, self._known)
                    good[name] = value
                except (KeyError, NgffError):
                    bad.append(name)
            if good:
                super().set_state(good)
            known = [name for name in bad if name in self.keys]
            if known:
                self.send_state(known)

    # --- what is drawn, in the coordinates of the image -------------------------------------------

    @property
    def box(self) -> dict[str, slice]:
        """The box that is drawn, for ``ds.sel(**view.box)``; empty without one."""
        return drawn.box_slices(self.selection, self.places)

    @property
    def points(self) -> list[dict[str, Any]]:
        """The points that are drawn, each by axis."""
        return drawn.positions(self.selection, "points", self.places)

    @property
    def line(self) -> tuple[dict[str, Any], ...]:
        """The two ends of the line that is drawn; empty without one."""
        return tuple(drawn.positions(self.selection, "line", self.places))

    @property
    def selected(self) -> xr.Dataset:
        """What is drawn, cut out of the image and its labels at their finest mag; see `select`."""
        return self.select()

    def select(self, mag: Any = None) -> xr.Dataset:
        """Cut what is drawn out of the image and its labels; pixels are read when they are needed.

        Parameters
        ----------
        mag : str, optional
            ``"shown"`` for the one that is shown; the finest when left out.

        Returns
        -------
        Dataset
            ``image`` and a variable for each label layer, on the pixels of the image. A box keeps
            all axes; a pixel is in it when its centre is. Points and lines give the nearest pixels
            along ``point`` and ``distance``.

        Raises
        ------
        NgffError
            When nothing is drawn, or there is no such mag.
        """
        return selecting.select(self.scene, self.selection, self.mag if mag == "shown" else mag)

    def profile(self, line: Sequence[Mapping[str, float]] | None = None) -> xr.Dataset:
        """Return values along the line that is drawn: between pixels, at the finest mag.

        Parameters
        ----------
        line : sequence of two mappings, optional
            The ends, by axis, in coordinates, instead of the line that is drawn.

        Returns
        -------
        Dataset
            A variable per channel along ``distance``, NaN outside of the image.
        """
        value = self.selection if line is None else {"line": line}
        wanted = drawn.selection_of(value, self.places, self.voxel)
        if wanted.get("kind") != "line":
            raise NgffError("no line is drawn; draw one, or give its ends: view.profile([a, b])")
        found, values = selecting.profile(self.scene, wanted["points"], 0)
        channels = dict(zip(self.places.channels, values, strict=True))
        return profiles.dataset(found, channels, self.places)

    # --- pictures --------------------------------------------------------------------------------

    def snapshot(self, path: Any = None, size: tuple[int, int] = (1200, 800)) -> Picture | Path:
        """Draw what is shown at any size, with scale bar.

        Parameters
        ----------
        path : str or Path, optional
            Where to write it: png, pdf, svg or jpg by its suffix.
        size : (int, int)
            In pixels.
        """
        from ngffkit.widgets.snapshots import snapshot

        return snapshot(self.scene.layers, self.scene.bricks, self.state, path, size=size)

    def movie(self, axis: str, path: Any, **options: Any) -> Path:
        """Write a film along an axis.

        Parameters
        ----------
        axis : str
            The axis, e.g. ``"t"`` or the one across the plane.
        path : str or Path
            Where to write it, ``.gif`` or ``.mp4``.
        **options
            Fields of `ngffkit.widgets.movies.Film`.
        """
        from ngffkit.widgets.movies import movie

        scene = self.scene
        return movie(scene.layers, scene.bricks, self.state, axis, path, **options)

    def to_html(self, path: Any, **options: Any) -> Path:
        """Write a page that pans and zooms without a kernel.

        Parameters
        ----------
        path : str or Path
            Where to write it, ``.html``.
        **options
            ``max_bytes="20 MB"`` of the file, and the ``title`` of the page.
        """
        from ngffkit.widgets.page import write_page

        return write_page(self.scene.layers, self.scene.bricks, self.state, path, **options)

    # --- other views, and the end ----------------------------------------------------------------

    def link(self, other: Viewer, *what: str) -> Link:
        """Let another view move along, and this one with it.

        Parameters
        ----------
        other : Viewer
            It comes to where this one is. Places are the same in units, whatever the voxels are.
        *what : str
            Of ``position``, ``center``, ``zoom``, ``window``, ``selection``; the first three when
            left out.

        Returns
        -------
        Link
            ``link.unlink()`` ends it.
        """
        return Link(self, other, what or ("position", "center", "zoom"))

    def close(self) -> None:
        """Take it off the page, end its threads and forget its pixels."""
        # a view that could not be made has nothing to close
        if "_wires" in self.__dict__:
            for link in list(self.links):
                link.unlink()
            for wire in self._wires.values():
                wire.close()
            self._line.close()
            self.scene.bricks.clear()
        super().close()

    def __repr__(self) -> str:
        """Say what is shown and where, in a line."""
        at = ", ".join(f"{name}={value}" for name, value in (self.position or {}).items())
        return f"<view of {self.places.manifest['name'] or 'an image'} at {at}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        picture = self._shown.picture(self.scene.layers, self.state)
        if picture is not None:
            data["image/png"] = base64.b64encode(picture).decode("ascii")
        return data, metadata

    # --- what the page asks for -------------------------------------------------------------------

    def _answer(self, line: Any, content: Any, buffers: Any) -> None:
        """Take a message; what is asked is done on threads, and sent on the line it came by."""
        self._wires[line].handle(content, buffers)

    def _frame(self, state: Mapping[str, Any], width: int, height: int, dpr: float) -> bytes:
        from ngffkit.widgets.frames import frame_png

        return frame_png(self.scene.layers, self.scene.bricks, state, width, height, dpr)

    def _profile(self, points: Sequence[Mapping[str, float]], level: int) -> dict[str, Any]:
        wanted = drawn.selection_of({"kind": "line", "points": points}, self.places, self.voxel)
        line, values = selecting.profile(self.scene, wanted["points"], level, _SHOWN_SAMPLES)
        channels = zip(self.places.channels, self.channels, values, strict=True)
        return profiles.message(
            line, [(name, style["color"], v) for name, style, v in channels if style["visible"]]
        )
