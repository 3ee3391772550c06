"""What is typed for an option, on the command line or into a panel, read into what functions take.

Each raises ValueError with what was expected; the caller adds the option and the text.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

_AXIS = re.compile(r"[A-Za-z]\w*")

#: Numbers of voxels and of units are below that.
_MOST = 2**63


def word(text: str) -> str:
    """Return a text that isn't empty."""
    if not text.strip():
        raise ValueError("a word was expected")
    return text


def one_of(*words: str) -> Callable[[str], str]:
    """Return a reader of one of some words."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"one of {', '.join(words)} was expected")
        return text

    return read


def version(text: str) -> str:
    """Return a version of OME-Zarr that can be written."""
    from ngffkit.spec.encode import WRITABLE

    return one_of(*WRITABLE)(text)


def count(text: str) -> int:
    """Return a whole number of 1 or more.

    Examples
    --------
    >>> count("4")
    4
    """
    number = _whole(text)
    if number is None or number < 1:
        raise ValueError("a whole number of 1 or more was expected, e.g. 4")
    return number


def size(text: str) -> int:
    """Return a whole number of 0 or more."""
    number = _whole(text)
    if number is None or number < 0:
        raise ValueError("a whole number of 0 or more was expected")
    return number


def voxel_size(text: str) -> tuple[float, ...] | dict[str, float]:
    """Return pixel sizes: one for all axes, x,y or x,y,z, or by name.

    Examples
    --------
    >>> voxel_size("11.24,11.24,25"), voxel_size("1e-3,1e-3"), voxel_size("4"), voxel_size("z=40")
    ((11.24, 11.24, 25.0), (0.001, 0.001), (4.0, 4.0, 4.0), {'z': 40.0})
    """
    expected = "positive numbers x,y,z were expected, e.g. 11.24,11.24,25, or by axis: z=25"
    found = _numbers(text, float, expected)
    values = list(found.values()) if isinstance(found, dict) else list(found)
    many = isinstance(found, tuple) and len(found) > 3
    if many or not all(0 < v < math.inf for v in values):
        raise ValueError(expected)
    if isinstance(found, dict):
        return found
    return (*found,) * 3 if len(found) == 1 else found


def places(text: str) -> dict[str, float]:
    """Return positions by axis: ``z=12.5,y=-3``, or x,y,z.

    Examples
    --------
    >>> places("1,-2,3e2"), places("t=0.5")
    ({'x': 1.0, 'y': -2.0, 'z': 300.0}, {'t': 0.5})
    """
    expected = "numbers x,y,z were expected, e.g. 0,-12.5,3, or by axis: z=3"
    found = _numbers(text, float, expected)
    if isinstance(found, dict):
        return found
    if len(found) not in (2, 3):
        raise ValueError(expected)
    return dict(zip("xyz", found, strict=False))


def voxels(text: str) -> int | tuple[int, ...] | dict[str, int] | str | None:
    """Return voxels along axes: one number for all, x,y,z, by name, ``auto`` or ``none``.

    Examples
    --------
    >>> voxels("32"), voxels("32,32,16"), voxels("z=1,y=512,x=512"), voxels("auto"), voxels("none")
    (32, (32, 32, 16), {'z': 1, 'y': 512, 'x': 512}, 'auto', None)
    """
    expected = "whole numbers x,y,z were expected, e.g. 64 or 64,64,32, or by axis: z=1,y=512,x=512"
    if text in ("auto", "none"):
        return None if text == "none" else text
    found = _numbers(text, int, expected)
    values = found.values() if isinstance(found, dict) else found
    if not all(value >= 1 for value in values):
        raise ValueError(expected)
    return found[0] if isinstance(found, tuple) and len(found) == 1 else found


def corner(text: str) -> tuple[int, ...]:
    """Return x,y,z in voxels; they may be negative."""
    found = _numbers(text, int, "three whole numbers x,y,z were expected, e.g. 0,-64,128")
    if not isinstance(found, tuple) or len(found) != 3:
        raise ValueError("three whole numbers x,y,z were expected, e.g. 0,-64,128")
    return found


def mag(text: str) -> str:
    """Return a mag as WEBKNOSSOS spells it.

    Examples
    --------
    >>> mag("8"), mag("8-8-4")
    ('8', '8-8-4')
    """
    if not re.fullmatch(r"[1-9]\d{0,9}(-[1-9]\d{0,9}){0,2}", text.strip()):
        raise ValueError("a mag was expected, e.g. 8 or 8-8-4")
    return text.strip()


def coarsest(text: str) -> int | str:
    """Return the coarsest mag: a number for all axes, or per axis."""
    found = mag(text)
    return int(found) if found.isdigit() else found


def mags(text: str) -> list[str]:
    """Return mags, finest first.

    Examples
    --------
    >>> mags("1,2-2-1 4-4-2")
    ['1', '2-2-1', '4-4-2']
    """
    try:
        return [mag(part) for part in re.split(r"[,\s]+", text.strip())]
    except ValueError:
        raise ValueError("mags were expected, finest first, e.g. 1,2-2-1,4-4-2") from None


def names(text: str) -> list[str]:
    """Return names between commas."""
    found = [part.strip() for part in text.split(",")]
    if not all(found):
        raise ValueError("names between commas were expected, e.g. DAPI,GFP")
    return found


def shape(text: str) -> tuple[int, ...]:
    """Return the shape of a raw file, in the order of its axes."""
    expected = "whole numbers in the order of --axes were expected, e.g. 512,1024,1024"
    found = _numbers(text, int, expected)
    if not isinstance(found, tuple) or not all(n >= 1 for n in found):
        raise ValueError(expected)
    return found


def crop(text: str) -> dict[str, slice]:
    """Return a part, in pixels, by axis.

    Examples
    --------
    >>> crop("z=0:10,y=5:")
    {'z': slice(0, 10, None), 'y': slice(5, None, None)}
    """
    out = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*([A-Za-z]\w*)=(-?\d{1,12})?:(-?\d{1,12})?\s*", part)
        if match is None or match[1] in out:
            raise ValueError("pixels by axis were expected, e.g. z=0:10,y=100:,x=:512")
        out[match[1]] = slice(*(int(n) if n else None for n in match.groups()[1:]))
    return out


def compression(text: str) -> str:
    """Return a codec with its level, as ``zstd:3``."""
    from ngffkit.errors import PlanError
    from ngffkit.planning.planner import compression_of

    try:
        compression_of(text)
    except PlanError as err:
        raise ValueError(err.problems[0].remedy) from None
    return text


def memory(text: str) -> str:
    """Return a size as people write it, checked."""
    from ngffkit.errors import PlanError
    from ngffkit.planning.options import nbytes_of

    try:
        nbytes_of(text, "memory")
    except (PlanError, ValueError, OverflowError):
        raise ValueError("a size was expected, e.g. '500 MB' or 2GiB") from None
    return text


def executor(text: str) -> str:
    """Return who works: threads, processes, or the address of a dask scheduler."""
    if text not in ("threads", "processes") and not re.match(r"[a-z]+://.", text):
        raise ValueError(
            "threads, processes or the address of a dask scheduler was expected, "
            "e.g. tcp://10.0.0.1:8786"
        )
    return text


def option(text: str) -> dict[str, Any]:
    """Return one option of a store.

    Examples
    --------
    >>> option("anon=true"), option("endpoint=http://localhost:9000")
    ({'anon': True}, {'endpoint': 'http://localhost:9000'})
    """
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise ValueError("KEY=VALUE was expected")
    return {key: {"true": True, "false": False}.get(value.lower(), value)}


def label(text: str) -> dict[str, str]:
    """Return the name and place of label images."""
    name, separator, place = text.partition("=")
    if not (separator and name and place):
        raise ValueError("NAME=PATH was expected, e.g. nuclei=masks/")
    return {name: place}


def spelled(value: Any) -> str:
    """Return a value as it is typed: the way back.

    Examples
    --------
    >>> spelled({"y": 64, "x": 64}), spelled(["1", "2-2-1"]), spelled(None), spelled(64)
    ('y=64,x=64', '1,2-2-1', 'none', '64')
    """
    if isinstance(value, Mapping):
        return ",".join(f"{name}={item}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return "none" if value is None else str(value)


def respelled(python: str) -> str:
    """Return what messages spell as Python as it is typed.

    Examples
    --------
    >>> respelled("(4, 4, 40)"), respelled("'500 MB'"), respelled("(x, y, z)")
    ('4,4,40', '500 MB', 'x, y, z')
    """
    try:
        return spelled(ast.literal_eval(python))
    except (ValueError, SyntaxError):
        return python.strip("()[]")  # x, y, z stands for numbers


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\s*-?\d{1,15}\s*", text) else None


def _numbers(text: str, kind: type[float], expected: str) -> tuple[Any, ...] | dict[str, Any]:
    """Return numbers between commas, with or without names."""
    named: dict[str, Any] = {}
    bare: list[Any] = []
    for part in text.split(","):
        name, equals, value = part.rpartition("=")
        try:
            number = kind(value) if "_" not in value else None
        except ValueError:
            number = None
        if (
            number is None
            # nor NaN; whole numbers of hundreds of digits are no float at all
            or not abs(number) < _MOST
            or bool(equals) != bool(_AXIS.fullmatch(name.strip()))
        ):
            raise ValueError(expected)
        if not equals:
            bare.append(number)
        elif name.strip() in named:
            raise ValueError(f"{expected}; {name.strip()} stands there twice")
        else:
            named[name.strip()] = number
    if (named and bare) or not 1 <= len(named) + len(bare) <= 5:
        raise ValueError(expected)
    return named or tuple(bare)
