"""Lengths as people write them: units and their symbols, round numbers, the bar in the corner."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.offsetbox import AnchoredOffsetbox

_PREFIXES = {
    "yocto": ("y", -24),
    "zepto": ("z", -21),
    "atto": ("a", -18),
    "femto": ("f", -15),
    "pico": ("p", -12),
    "nano": ("n", -9),
    "micro": ("µ", -6),
    "milli": ("m", -3),
    "centi": ("c", -2),
    "deci": ("d", -1),
    "": ("", 0),
    "hecto": ("h", 2),
    "kilo": ("k", 3),
    "mega": ("M", 6),
    "giga": ("G", 9),
    "tera": ("T", 12),
    "peta": ("P", 15),
    "exa": ("E", 18),
    "zetta": ("Z", 21),
    "yotta": ("Y", 24),
}
_STEMS = {"meter": "m", "metre": "m", "second": "s"}
_OTHERS = {
    "angstrom": ("Å", "m", 1e-10),
    "ångström": ("Å", "m", 1e-10),
    "micron": ("µm", "m", 1e-6),
    "inch": ("in", "m", 0.0254),
    "foot": ("ft", "m", 0.3048),
    "yard": ("yd", "m", 0.9144),
    "mile": ("mi", "m", 1609.344),
    "parsec": ("pc", "m", 3.0856775814913673e16),
    "minute": ("min", "s", 60.0),
    "hour": ("h", "s", 3600.0),
    "day": ("d", "s", 86400.0),
    "degree": ("°", "", 1.0),
    "radian": ("rad", "", 1.0),
    "pixel": ("px", "", 1.0),
    "voxel": ("px", "", 1.0),
}
#: Lengths that are shown as a power of a thousand times a metre.
_METRIC_SYMBOLS = {-15: "fm", -12: "pm", -9: "nm", -6: "µm", -3: "mm", 0: "m", 3: "km"}


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of length or time.

    Parameters
    ----------
    symbol : str
        How it is written.
    base : {"m", "s", ""}
        What it is a multiple of; empty when that isn't known.
    factor : float
        How many of its base it is.
    metric : bool
        Whether it is the base times a power of ten.
    """

    symbol: str
    base: str = ""
    factor: float = 1.0
    metric: bool = False


def parse_unit(name: str | None) -> Unit:
    """Understand a unit's name.

    Parameters
    ----------
    name : str, optional
        As OME-Zarr spells it (UDUNITS names: ``micrometer``), as people abbreviate it (``um``),
        or anything else, which is kept as its own symbol.

    Examples
    --------
    >>> parse_unit("micrometer").symbol, parse_unit("um").symbol, parse_unit("second").symbol
    ('µm', 'µm', 's')
    >>> parse_unit("furlong"), parse_unit(None).symbol
    (Unit(symbol='furlong', base='', factor=1.0, metric=False), '')
    """
    text = (name or "").strip().replace("μ", "µ")
    known = _NAMES.get(text) or _NAMES.get(text.lower()) or _NAMES.get(text.lower().rstrip("s"))
    return known or Unit(text)


def _names() -> dict[str, Unit]:
    out: dict[str, Unit] = {}
    for prefix, (letter, power) in _PREFIXES.items():
        for stem, base in _STEMS.items():
            made = Unit(letter + base, base, float(f"1e{power}"), metric=True)
            out[prefix + stem] = out[made.symbol] = made
    out["um"], out["us"] = out["µm"], out["µs"]
    for name, (symbol, base, factor) in _OTHERS.items():
        made = Unit(symbol, base, factor, metric=name in ("angstrom", "ångström", "micron"))
        out[name] = out[symbol] = made
    return out


_NAMES = _names()


def ratio(unit: str | None, other: str | None) -> float | None:
    """Return how many of `other` one `unit` is; None when they don't measure the same.

    Examples
    --------
    >>> ratio("micrometer", "nanometer"), ratio("second", "meter"), ratio(None, None)
    (1000.0, None, 1.0)
    """
    a, b = parse_unit(unit), parse_unit(other)
    if a == b:
        return 1.0
    if not a.base or a.base != b.base:
        return None
    return float(f"{a.factor / b.factor:.12g}")


def nice_length(limit: float) -> float:
    """Return the largest of 1, 2, 5, 10, 20, 50, ... (and 0.5, 0.2, ...) that is at most `limit`.

    Examples
    --------
    >>> nice_length(37.0), nice_length(0.6), nice_length(5.0), nice_length(1999.0)
    (20.0, 0.5, 5.0, 1000.0)
    """
    if not (math.isfinite(limit) and limit > 0):
        raise ValueError(f"a length must be a positive number, got {limit}")
    power = math.floor(math.log10(limit))
    for exponent in (power + 1, power, power - 1):
        for digit in (5, 2, 1):
            length = float(f"{digit}e{exponent}")
            if length <= limit * (1 + 1e-9):
                return length
    return limit


def quantity(value: float, unit: str | None, digits: int = 6) -> str:
    """Write a number with its unit, as it is.

    Examples
    --------
    >>> quantity(12.5, "micrometer"), quantity(3.0, "second"), quantity(0.1 + 0.2, None)
    ('12.5 µm', '3 s', '0.3')
    """
    symbol = parse_unit(unit).symbol
    number = f"{value:.{digits}g}"
    if symbol == "°":
        return number + symbol
    return f"{number} {symbol}" if symbol else number


def length_text(length: float, unit: str | None, *, nameless: str = "px") -> str:
    """Write a length in the unit that suits its size.

    Parameters
    ----------
    length : float
        In `unit`.
    unit : str, optional
        None for lengths in pixels.
    nameless : str
        What to write for no unit.

    Examples
    --------
    >>> length_text(0.5, "micrometer"), length_text(2000, "um"), length_text(5, "angstrom")
    ('500 nm', '2 mm', '0.5 nm')
    >>> length_text(20, None), length_text(2, "inch")
    ('20 px', '2 in')
    """
    known = parse_unit(unit)
    if not known.symbol:
        return f"{length:.6g} {nameless}".strip()
    if known.base != "m" or not known.metric:
        return quantity(length, unit)
    metres = float(f"{length * known.factor:.12g}")
    power = math.floor(math.log10(metres) / 3 + 1e-12) * 3
    if 1e-10 <= metres < 1e-9:
        power = -9  # atoms and membranes are measured in nm, nobody says 500 pm
    power = min(max(power, min(_METRIC_SYMBOLS)), max(_METRIC_SYMBOLS))
    return f"{metres / float(f'1e{power}'):.6g} {_METRIC_SYMBOLS[power]}"


def add_scale_bar(ax: Axes, length: float, text: str, *, below: bool = False) -> AnchoredOffsetbox:
    """Put a scale bar into the lower right corner of axes.

    It is `length` long in the data's coordinates, also after zooming, and a few points thick.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Whose horizontal axis the length is measured on.
    length : float
        In the units of that axis.
    text : str
        What is written above the bar.
    below : bool
        Below the axes instead.

    Returns
    -------
    matplotlib.offsetbox.AnchoredOffsetbox
        The artist that was added; the bar itself is its only `Rectangle` with gid
        ``"scale-bar"``.
    """
    from matplotlib.offsetbox import AnchoredOffsetbox, AuxTransformBox, TextArea, VPacker
    from matplotlib.patches import Rectangle
    from matplotlib.transforms import Affine2D, blended_transform_factory

    figure = ax.get_figure(root=True)
    assert figure is not None
    points = Affine2D().scale(1 / 72) + figure.dpi_scale_trans
    bar = AuxTransformBox(blended_transform_factory(ax.transData, points))
    left = min(ax.get_xlim())
    # white on its dark plate is legible on whatever the picture shows there
    bar.add_artist(Rectangle((left, 0), length, 3, fc="white", lw=0, gid="scale-bar"))
    label = TextArea(text, textprops={"color": "white", "size": "small", "weight": "bold"})
    packed = VPacker(children=[label, bar], align="center", pad=0, sep=3)
    box = AnchoredOffsetbox(
        "upper right" if below else "lower right",
        child=packed,
        pad=0.35,
        borderpad=0.4,
        frameon=True,
        bbox_to_anchor=(1, 0) if below else None,
        bbox_transform=ax.transAxes if below else None,
    )
    box.patch.set(facecolor="black", alpha=0.62, linewidth=0)
    box.patch.set_boxstyle("round,pad=0,rounding_size=0.2")
    ax.add_artist(box)
    return box
