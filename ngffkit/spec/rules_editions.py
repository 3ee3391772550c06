"""One row per version of the specification: in what their documents differ."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Literal

from ngffkit.spec.report import Need
from ngffkit.spec.rules import Choice, Fields, Member, Rule, Text
from ngffkit.spec.rules_transforms import DRAFTS, Draft

_ALPHANUMERIC: Final = "[A-Za-z0-9]+"
_NODE_NAME: Final = r"(?!\.+\Z)(?!__)[A-Za-z0-9_.-]+"


@dataclass(frozen=True, slots=True)
class Edition:
    """What one version of the specification asks of documents.

    Parameters
    ----------
    version : str
        The version as documents must spell it.
    nested : bool
        Whether everything is under ``ome``, with one version for all.
    axes : {"none", "letters", "objects", "systems"}
        How an image gives its axes.
    draft : Draft, optional
        How it spells transformations, from 0.6 on.
    acquisition : {"numbers", "integers", "ranges"}
        How precise the schema of plates is.
    field : str
        Regular expression of the path of a field of view.
    strict : {"strict", "should"}
        Who misses what the strict schemas want: they do, or the text where there are none.
    root : {"must", "text"}
        Who misses the key that makes a group what it is.
    plate_version : {"must", "strict", "may"}
        Who misses the version of a plate.
    channel : {"must", "text"}
        Who misses the colour and the window of a channel.
    others : bool
        Whether there are schemas for labels and for what bioformats2raw writes.
    known : bool
        Whether this version was known when this was written.
    """

    version: str
    nested: bool = False
    axes: Literal["none", "letters", "objects", "systems"] = "objects"
    draft: Draft | None = None
    acquisition: Literal["numbers", "integers", "ranges"] = "ranges"
    field: str = _ALPHANUMERIC
    strict: Need = "strict"
    root: Need = "must"
    plate_version: Need = "may"
    channel: Need = "must"
    others: bool = True
    known: bool = True

    def version_member(self, need: Need) -> Member:
        """Return the rule for the version, where `need` says who misses it."""
        rule: Rule = Choice((self.version,)) if self.known else Text()
        return Member(rule, need, f"write {self.version!r}, or check it as the version it is")

    def document(self, members: Mapping[str, Member], *, versioned: bool = True) -> Rule:
        """Return the rule for a group's attributes that hold `members`."""
        if not self.nested:
            return Fields(members)
        version = {"version": self.version_member("must")} if versioned else {}
        return Fields(
            {
                "ome": Member(
                    Fields({**members, **version}),
                    "must",
                    "0.5 and later keep all OME metadata under the key 'ome'",
                )
            }
        )


_OLD: Final = Edition("0.1", axes="none", plate_version="must", others=False)
_NEW: Final = Edition("0.5", nested=True, channel="text")


def _sixth(version: str, draft: Draft) -> Edition:
    field = _ALPHANUMERIC if draft.loose else _NODE_NAME
    return replace(_NEW, version=version, axes="systems", draft=draft, field=field)


EDITIONS: Final[Mapping[str, Edition]] = {
    "0.1": replace(_OLD, acquisition="numbers"),
    "0.2": replace(_OLD, version="0.2", acquisition="integers", strict="should"),
    "0.3": replace(_OLD, version="0.3", acquisition="integers", axes="letters"),
    "0.4": Edition("0.4", root="text", plate_version="strict"),
    "0.5": _NEW,
    **{version: _sixth(version, draft) for version, draft in DRAFTS.items()},
}

_PARTS: Final = re.compile(r"(\d{1,4})\.(\d{1,4})(?:[.-]?(dev|rc|a|b)[.-]?(\d{1,4}))?")


@lru_cache(maxsize=256)
def edition(version: str) -> Edition:
    """Return the edition that `version` belongs to.

    ``0.4-dev-spatialdata`` is read as 0.4, ``0.6dev1`` as 0.6.dev1; what is newer than all that
    is known, or no version at all, has the rules of the newest and the version as found.
    """
    parts = _PARTS.match(version)
    if parts is None:
        return replace(EDITIONS["0.6"], version=version, known=False)
    major, minor, stage, serial = parts.groups()
    base = f"{int(major)}.{int(minor)}"
    if stage is not None:
        for spelling in (f"{base}.{stage}{int(serial)}", f"{base}{stage}{int(serial)}"):
            if spelling in EDITIONS:
                return EDITIONS[spelling]
    if base in EDITIONS and not (stage is not None and base == "0.6"):
        return EDITIONS[base]
    return replace(EDITIONS["0.6"], version=version, known=False)
