"""Browsing without a page: what is opened, its images and mags, its card, its problems."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import traitlets

from ngffkit import api
from ngffkit.discover.walk import Wanted
from ngffkit.errors import NgffError
from ngffkit.opened import Opened
from ngffkit.panels.fields import Field, choice
from ngffkit.panels.form import Form
from ngffkit.panels.latest import Latest
from ngffkit.panels.model import Model, action
from ngffkit.panels.runs import as_ours
from ngffkit.panels.spelling import Name, call
from ngffkit.panels.storage import spelled
from ngffkit.tree import images_of

if TYPE_CHECKING:
    from ngffkit.widgets.preparing import Scene

#: What the choice of mags says while the zoom decides.
AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was opened.

    Parameters
    ----------
    place : object
        A path or URL, or what was in the notebook.
    options : Mapping
        Of the store.
    image : str
        The image that is shown, as a path below the place; empty when the place is one.
    images : tuple of str
        All of them; wells, for a plate.
    fields : tuple of str
        Images of the well that was chosen.
    source : object
        What `ngffkit.describe` and `ngffkit.validate` are asked about.
    scene : Scene
        What a viewer is made of.
    """

    place: Any
    # may be secret
    options: Mapping[str, Any] = field(repr=False)
    image: str
    images: tuple[str, ...]
    fields: tuple[str, ...]
    source: Any = field(repr=False)
    scene: Scene = field(repr=False)


class BrowseModel(Model):
    """What the Browse panel knows and does.

    Attributes
    ----------
    form : dict
        The choices of image, field and mag, as `Form.to_json`.
    buttons : dict
        What can be asked for: the image's card, its problems.
    card : dict
        ``html`` of what was asked for, ``busy``.
    opened : dict
        ``url`` of what is shown, ``count`` of openings, ``busy``. Observe it: `seen` is new then.
    mag : str
        The mag that is held; ``auto`` leaves it to the zoom.
    """

    form = traitlets.Dict()
    buttons: Any = traitlets.Dict({"buttons": []})
    card = traitlets.Dict({"html": "", "busy": False})
    opened: Any = traitlets.Dict({"url": "", "count": 0, "busy": False})
    mag = traitlets.Unicode(AUTO)

    def __init__(self) -> None:
        super().__init__()
        self.seen: Seen | None = None
        self._latest = Latest("ngffkit-browse", 0.01, self.lock)
        self._asking = Latest("ngffkit-describe", 0.01, self.lock)
        self._edits: dict[str, int] = {}
        self._mags: dict[str, str] = {}
        self._shown = ""
        self.fields = Form([])
        self._draw()

    # --- actions ----------------------------------------------------------------------------------

    @action
    def open(self, place: Any, options: Mapping[str, Any] | None = None) -> None:
        """Open a path, a URL, or anything that `ngffkit.browse` takes, in the background."""
        self._open(place, dict(options or {}), "")

    @action
    def set(self, name: str, text: str, edit: int | None = None) -> None:
        """Choose an image, a field or a mag."""
        if edit is not None:
            self._edits[name] = edit
        if name not in self.fields.fields or self.seen is None:
            raise NgffError(f"there is no {name!r} to choose; open an image first")
        field = self.fields.fields[name]
        if text not in field.choices:
            raise NgffError(f"there is no {field.label} {text!r}; choose one of the list")
        self.fields.set(name, text, edit)
        if name == "mag":
            self.hold(self._mags[text])
        else:
            self._draw()
            self._open(self.seen.place, self.seen.options, text)

    @action
    def hold(self, mag: str) -> None:
        """Show a mag whatever the zoom; ``auto`` lets go."""
        mag = mag or AUTO
        label = next((text for text, known in self._mags.items() if known == mag), None)
        if label is None:
            raise NgffError(f"there is no mag {mag!r}; there are {', '.join(self._mags.values())}")
        self.mag = mag
        self.fields.set("mag", label, self._edits.get("mag"))
        self._draw()

    @action
    def describe(self) -> None:
        """Show the image's card, or put it away."""
        from ngffkit.description import describe

        self._ask("describe", describe)

    @action
    def check(self) -> None:
        """List the image's problems, or put them away."""
        from ngffkit.validation import validate

        self._ask("check", validate)

    def settle(self, timeout: float | None = 60.0) -> bool:
        """Wait until what was asked for is there; tell whether it came to pass."""
        return self._latest.settle(timeout) and self._asking.settle(timeout)

    # --- opening ----------------------------------------------------------------------------------

    def _open(self, place: Any, options: Mapping[str, Any], image: str) -> None:
        if isinstance(place, str) and not place.strip():
            raise NgffError("nothing is typed; a path or a URL was expected")
        self.say("")
        self.opened = {**self.opened, "busy": True}
        self._latest.ask(lambda: _tried(lambda: _seen(place, options, image)), self._found)

    def _found(self, found: Seen | NgffError) -> None:
        with self.lock:
            if isinstance(found, NgffError):
                self.opened = {**self.opened, "busy": False}
                self.say(found, "error")
                # the choice goes back to what is still shown
                self._fill()
                return
            self.seen, self._shown = found, ""
            self._asking.drop()
            self.mag = AUTO
            self._fill()
            self.card = {"html": "", "busy": False}
            url = found.place if isinstance(found.place, str) else ""
            self.opened = {"url": url, "count": self.opened["count"] + 1, "busy": False}
            self._draw()

    def _fill(self) -> None:
        """Offer the images and mags of what is shown."""
        seen = self.seen
        if seen is None:
            return
        self._mags = {AUTO: AUTO, **mags_of(seen.scene)}
        held = next((text for text, mag in self._mags.items() if mag == self.mag), AUTO)
        fields, texts = _fields(seen, tuple(self._mags)), {"mag": held}
        if len(seen.images) > 1 or seen.fields:
            texts["image"] = next((p for p in seen.images if _is_in(seen.image, p)), "")
        if len(seen.fields) > 1:
            texts["field"] = seen.image
        self.fields = Form(fields)
        for name, text in texts.items():
            self.fields.set(name, text, self._edits.get(name))
        self._draw()

    # --- cards ------------------------------------------------------------------------------------

    def _ask(self, name: str, function: Callable[..., Any]) -> None:
        seen = self.seen
        if seen is None:
            raise NgffError("nothing is open; open an image first")
        if self._shown == name:
            self._shown = ""
            self._asking.drop()
            self.card = {"html": "", "busy": False}
        else:
            self._shown = name
            self.card = {"html": self.card["html"], "busy": True}
            self._asking.ask(lambda: _tried(lambda: function(seen.source)), self._answered)
        self._draw()

    def _answered(self, found: Any) -> None:
        with self.lock:
            if isinstance(found, NgffError):
                self.say(found, "error")
                self._shown = ""
                self.card = {"html": "", "busy": False}
            elif self._shown:
                self.card = {"html": found._repr_html_(), "busy": False}
            self._draw()

    def _draw(self) -> None:
        self.form = self.fields.to_json()
        words = {"describe": "Describe", "check": "Validate"} if self.seen else {}
        self.buttons = {
            "buttons": [
                {"do": name, "label": label, "pressed": self._shown == name}
                for name, label in words.items()
            ]
        }
        if self.seen is not None:
            self.code = {"text": _spell(self.seen, self.mag)}


def mags_of(scene: Scene) -> dict[str, str]:
    """Return the mags of the first image, each with its voxel size and shape as its label."""
    axes = {axis.name: axis for axis in scene.layers.axes}
    layer = next(
        (own for own in scene.layers.layers if own.kind != "label"), scene.layers.layers[0]
    )
    out = {}
    for level in layer.levels:
        names = [name for name in scene.layers.spatial if name in level.shape][::-1]
        sizes = " × ".join(f"{axes[n].scale * level.factor.get(n, 1.0):.4g}" for n in names)
        units = {axes[name].unit for name in names}
        unit = f" {units.pop()}" if len(units) == 1 else ""
        shape = " × ".join(str(level.shape[name]) for name in names)
        out[f"{level.mag}:  {sizes}{unit},  {shape} voxels".replace(" ,", ",")] = level.mag
    return out


def _tried(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except Exception as err:  # noqa: BLE001 - a thread has nobody above it who could be told
        return as_ours(err)


def _seen(place: Any, options: Mapping[str, Any], image: str) -> Seen:
    """Open a place and one of its images; called in a thread."""
    from ngffkit.widgets.preparing import prepare

    if not isinstance(place, str):
        return Seen(place, options, "", (), (), place, prepare(place, {}))
    root = api.find(place, Wanted(labels=True), "error", options)
    plate, fields = root.node.plate, tuple[str, ...]()
    if plate is None:
        found = _own(root)
        images = tuple(found)
        wanted = image or next(iter(images), "")
    else:
        images = tuple(well.path for well in plate.wells)
        if not images:
            raise NgffError(f"{place} is a plate without wells; there is nothing to show")
        well = "/".join(image.split("/")[:2]) or images[0]
        found = _own(api.find(place, Wanted(labels=True, wells=(well,)), "error", options))
        fields = tuple(path for path in found if _is_in(path, well))
        wanted = image if image in found else next(iter(fields), "")
        if not fields:
            raise NgffError(f"well {well} has no image; choose another")
    # plain arrays have no image of their own, but can be looked at
    source: Any = found.get(wanted, root if not found else None)
    if source is None:
        raise NgffError(f"{place} has no image {wanted!r}; it has {', '.join(found)}")
    if isinstance(source, Opened) and source.node.image is None:
        source = api.open(place, storage_options=options)
    return Seen(place, options, wanted, images, fields, source, prepare(source, {}))


def _own(root: Opened) -> dict[str, Opened]:
    """Return images that are no labels of another, by their paths."""
    found = dict(images_of(root.store, root.node, root.missing))
    own = {path: one for path, one in found.items() if "labels" not in path.split("/")}
    return own or found


def _is_in(path: str, well: str) -> bool:
    return path == well or path.startswith(f"{well}/")


def _fields(seen: Seen, mags: tuple[str, ...]) -> list[Field]:
    fields = []
    if len(seen.images) > 1 or seen.fields:
        word = "well" if seen.fields else "image"
        text = f"which {word} is shown"
        fields.append(choice("image", word.capitalize(), text, seen.images, ""))
    if len(seen.fields) > 1:
        fields.append(choice("field", "Field", "which field of the well", seen.fields, ""))
    fields.append(choice("mag", "Mag", "auto follows the zoom; any other is held", mags, ""))
    return fields


def _spell(seen: Seen, mag: str) -> str:
    more = {} if mag == AUTO else {"mag": mag}
    if not isinstance(seen.place, str):
        return call("nk.browse", [Name("x")], more)
    options: dict[str, Any] = {}
    if seen.fields:
        options["wells"] = "/".join(seen.image.split("/")[:2])
    if seen.options:
        options["storage_options"] = spelled(seen.options)
    if not (options or seen.image):
        return call("nk.browse", [seen.place], more)
    given = ", ".join([repr(seen.place), *(f"{key}={value!r}" for key, value in options.items())])
    part = f"[{seen.image!r}]" if seen.image else ""
    return call("nk.browse", [Name(f"nk.open({given}){part}")], more)
