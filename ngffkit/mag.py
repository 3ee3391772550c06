"""How mags are spelled: WEBKNOSSOS's way, ``1``, ``2-2-1`` in x-y-z order, ``2`` when isotropic."""

from __future__ import annotations

import re
from collections.abc import Mapping

#: Mags are whole numbers in every well-made pyramid; writers round, so this near counts as whole.
_WHOLE = 0.02


def spell(factors: Mapping[str, float]) -> str:
    """Spell the mag of a level.

    Parameters
    ----------
    factors : mapping of str to float
        Pixels of mag 1 that one pixel spans, by spatial axis. The axes x, y, z are spelled in
        this order, any others after them in the order given.

    Returns
    -------
    str
        One number when all factors agree, else one per axis, joined by ``-``.

    Examples
    --------
    >>> spell({"z": 1, "y": 2, "x": 2}), spell({"y": 4.0, "x": 4.0}), spell({"x": 1.5, "y": 2})
    ('2-2-1', '4', '1.5-2')
    """
    names = sorted(factors, key=lambda name: ("xyz".find(name) % 99, 0))
    words = [_word(factors[name]) for name in names]
    return words[0] if len(set(words)) == 1 else ("-".join(words) or "1")


def _word(factor: float) -> str:
    whole = round(factor)
    if whole >= 1 and abs(factor - whole) <= _WHOLE * whole:
        return str(whole)
    return f"{factor:.3g}"


def normalise(mag: object) -> str:
    """Bring what people write for a mag to one spelling.

    Parameters
    ----------
    mag : str, int, float or sequence of numbers
        ``"2-2-1"``, ``"2,2,1"``, ``2`` or ``(2, 2, 1)``, in x, y, z order.

    Returns
    -------
    str
        The spelling that `spell` gives.

    Examples
    --------
    >>> normalise((2, 2, 1)), normalise("4-4-4"), normalise(8), normalise("2, 2, 1")
    ('2-2-1', '4', '8', '2-2-1')
    """
    if isinstance(mag, (int, float)):
        return _word(float(mag))
    parts = (
        re.split(r"\s*[-,]\s*", mag.strip())
        if isinstance(mag, str)
        else [str(part) for part in mag]  # type: ignore[attr-defined]
    )
    try:
        words = [_word(float(part)) for part in parts]
    except ValueError:
        return str(mag)
    return words[0] if len(set(words)) == 1 else "-".join(words)


def matches(mag: object, spelled: str) -> bool:
    """Tell whether `mag`, as people write it, is the mag that `spelled` spells.

    A flat image has no z: its ``2`` is also WEBKNOSSOS's ``2-2-1``.

    Examples
    --------
    >>> matches("2-2-2", "2"), matches("2-2-1", "2"), matches("2-4", "2-4")
    (True, False, True)
    """
    return normalise(mag) == spelled
