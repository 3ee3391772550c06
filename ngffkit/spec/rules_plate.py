"""Plates, wells and the groups around images: their schemas, and what the text asks beyond."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ngffkit.spec.report import Need, Spot, is_integer, items, members, show, twins
from ngffkit.spec.rules import Anything, Choice, Fields, Graded, Items, Member, Number, Rule, Text
from ngffkit.spec.rules_editions import Edition
from ngffkit.spec.rules_paths import check_path, check_repeats

_NAME: Final = "[A-Za-z0-9]+"
_NAME_WORDS: Final = "made of letters and digits only"

# --- schemas ----------------------------------------------------------------------------------


def plate(edition: Edition) -> Rule:
    """Return the rule for the attributes of a plate."""
    precise = edition.acquisition == "ranges"
    lines = Items(
        Fields(
            {
                "name": Member(
                    Text(_NAME, _NAME_WORDS) if precise else Text(), "must", "name it, e.g. 'A'"
                )
            }
        ),
        least=1,
        unique=True,
    )
    known = {
        "rows": Member(lines, "must", "list all rows of the plate, also empty ones"),
        "columns": Member(lines, "must", "list all columns of the plate, also empty ones"),
        "wells": Member(
            Items(_well_entry(precise=precise), least=1, unique=True), "must", "list the wells"
        ),
        "acquisitions": Member(_acquisitions(edition)),
        "field_count": Member(
            Number(whole=True, above=0) if precise else Anything(),
            "should",
            "the largest number of fields of view in a well",
        ),
        "name": Member(Text(), edition.strict if precise else "should", "name the plate"),
    }
    if not edition.nested:
        known["version"] = edition.version_member(edition.plate_version)
    return edition.document(
        {"plate": Member(Fields(known), edition.root, "a plate says so with 'plate'")}
    )


def _well_entry(*, precise: bool) -> Rule:
    if not precise:
        return Fields({"path": Member(Text(), "must", "its row and column, e.g. 'A/1'")})
    index = Number(whole=True, least=0)
    return Fields(
        {
            "path": Member(
                Text(f"{_NAME}/{_NAME}", "a row and a column"), "must", "row and column, e.g. 'A/1'"
            ),
            "rowIndex": Member(index, "must", "its position in rows, from 0"),
            "columnIndex": Member(index, "must", "its position in columns, from 0"),
        }
    )


def _acquisitions(edition: Edition) -> Rule:
    if edition.acquisition == "numbers":
        ident = count = time = Number()
    elif edition.acquisition == "integers":
        ident = count = Number(whole=True)
        time = Number(whole=True, least=0)
    else:
        ident = time = Number(whole=True, least=0)
        count = Number(whole=True, above=0)
    precise = edition.acquisition == "ranges"
    need = edition.strict if precise else "should"
    seconds = "whole seconds since 1970"
    known = {
        "id": Member(ident, "must", "number the acquisitions"),
        "name": Member(Text(), need, "name the acquisition"),
        "maximumfieldcount": Member(count, need, "the largest number of fields of a well"),
        "description": Member(Text()),
        "starttime": Member(time, "may", seconds),
    }
    if edition.acquisition != "numbers":
        known["endtime"] = Member(time, "may", seconds)
    return Items(Fields(known), least=0 if precise else 1, unique=not precise)


def well(edition: Edition) -> Rule:
    """Return the rule for the attributes of a well."""
    words = _NAME_WORDS if edition.field == _NAME else "a name of letters, digits, '-', '_', '.'"
    entry = Fields(
        {
            "path": Member(Text(edition.field, words), "must", "the field's group, e.g. '0'"),
            "acquisition": Member(
                Number(whole=True), "may", "the id of an acquisition of the plate"
            ),
        }
    )
    known = {
        "images": Member(Items(entry, least=1, unique=True), "must", "list the fields of view")
    }
    if not edition.nested:
        known["version"] = edition.version_member(edition.strict)
    need: Need = "must" if edition.nested else "text"
    return edition.document({"well": Member(Fields(known), need, "a well says so with 'well'")})


def labels(edition: Edition) -> Rule:
    """Return the rule for the group of label images; no version has a schema for it."""
    return Graded(
        "meaning",
        edition.document(
            {"labels": Member(Items(Text()), "must", "list the paths of the label images")}
        ),
    )


def bf2raw(edition: Edition) -> Rule:
    """Return the rule for the group bioformats2raw puts above images."""
    need: Need = "must" if edition.nested else "text"
    rule = edition.document(
        {"bioformats2raw.layout": Member(Choice((3,)), need, "the only known layout is 3")}
    )
    return rule if edition.others else Graded("meaning", rule)


def ome(edition: Edition) -> Rule:
    """Return the rule for the group ``OME`` of bioformats2raw."""
    rule = edition.document(
        {
            "series": Member(
                Items(Text()), "must" if edition.nested else "may", "list the paths of the images"
            )
        }
    )
    return rule if edition.others else Graded("meaning", rule)


# --- the text ---------------------------------------------------------------------------------


def check_plate(attributes: Mapping[str, Any], at: Spot, _edition: Edition) -> None:
    """Report what the text holds against a plate."""
    found, spot = members(attributes.get("plate")), at.key("plate")
    names = {
        key: [members(one).get("name") for one in items(found.get(key))]
        for key in ("rows", "columns")
    }
    for key, lines in names.items():
        _check_names(lines, spot.key(key))
    wells = [members(one) for one in items(found.get("wells"))]
    check_repeats([one.get("path") for one in wells], spot.key("wells"), "path")
    known = {key: {n for n in lines if isinstance(n, str)} for key, lines in names.items()}
    for position, one in enumerate(wells):
        if at.report.full:
            return
        here = spot.key("wells").index(position)
        check_path(one.get("path"), here.key("path"))
        _check_place(one, names, known, here)
    _check_acquisitions([members(one) for one in items(found.get("acquisitions"))], spot)


def _check_names(lines: Sequence[object], at: Spot) -> None:
    texts = [name if isinstance(name, str) else object() for name in lines]
    exact = dict(twins(texts))
    folded = (text.casefold() if isinstance(text, str) else text for text in texts)
    for position, earlier in twins(folded):
        spot = at.index(position).key("name")
        if position in exact:
            spot.problem(f"{show(lines[position])} is the name of {earlier}, too", "rename one")
        else:
            spot.problem(
                f"{show(lines[position])} and {show(lines[earlier])} differ by case only",
                "some file systems take them for the same",
                severity="advice",
            )


def _check_place(
    one: Mapping[str, Any],
    names: Mapping[str, Sequence[object]],
    known: Mapping[str, set[str]],
    at: Spot,
) -> None:
    """Report a well whose path and indices do not name one row and one column."""
    path = one.get("path")
    parts = path.split("/") if isinstance(path, str) else []
    swapped = len(parts) == 2 and (parts[0] in known["columns"] and parts[1] in known["rows"])
    remedy = "write row/column, not column/row" if swapped else "write row/column, e.g. 'A/1'"
    for place, (key, index_key) in enumerate((("rows", "rowIndex"), ("columns", "columnIndex"))):
        if key not in names or not names[key]:
            continue
        index = one.get(index_key)
        inside = is_integer(index) and 0 <= int(index) < len(names[key])
        if is_integer(index) and not inside:
            at.key(index_key).problem(
                f"{show(index)} is not the index of one of {len(names[key])} {key}",
                "indices count from 0",
            )
        if len(parts) != 2:
            continue
        part, line = parts[place], key.removesuffix("s")
        expected = names[key][int(index)] if is_integer(index) and inside else None
        if part not in known[key]:
            at.key("path").problem(
                f"{show(path)}: {show(part)} is not the name of a {line}", remedy
            )
        elif isinstance(expected, str) and expected != part:
            at.key("path").problem(
                f"{show(path)}: {index_key} {show(index)} is {line} {show(expected)},"
                f" not {show(part)}",
                "make the path and the indices agree",
            )
    if parts and len(parts) != 2:
        at.key("path").problem(f"{show(path)} has {len(parts)} parts, it needs 2", remedy)


def _check_acquisitions(found: Sequence[Mapping[str, Any]], at: Spot) -> None:
    ids = [one.get("id") for one in found]
    for position, earlier in twins(i if is_integer(i) else object() for i in ids):
        at.key("acquisitions").index(position).key("id").problem(
            f"{show(ids[position])} is the id of acquisition {earlier}, too", "renumber them"
        )
    for position, one in enumerate(found):
        start, end = one.get("starttime"), one.get("endtime")
        if is_integer(start) and is_integer(end) and end < start:
            at.key("acquisitions").index(position).key("endtime").problem(
                f"{show(end)} is before the start time {show(start)}", "exchange them"
            )


def check_well(attributes: Mapping[str, Any], at: Spot, _edition: Edition) -> None:
    """Report what the text holds against a well."""
    spot = at.key("well").key("images")
    images = [members(one) for one in items(members(attributes.get("well")).get("images"))]
    paths = [one.get("path") for one in images]
    check_repeats(paths, spot, "path")
    for position, path in enumerate(paths):
        check_path(path, spot.index(position).key("path"))
    # what is empty is no object, and reported as such
    told = ["acquisition" in one for one in images if one]
    silent = next((n for n, one in enumerate(images) if one and "acquisition" not in one), None)
    if any(told) and silent is not None:
        spot.index(silent).key("acquisition").problem(
            "is missing, and other fields have one",
            "name the acquisition of every field if there are several",
            severity="advice",
        )


def check_labels(attributes: Mapping[str, Any], at: Spot, _edition: Edition) -> None:
    """Report paths of label images that repeat or lead elsewhere."""
    _check_list("labels", attributes, at)


def check_ome(attributes: Mapping[str, Any], at: Spot, _edition: Edition) -> None:
    """Report paths of series that repeat or lead elsewhere."""
    _check_list("series", attributes, at)


def _check_list(key: str, attributes: Mapping[str, Any], at: Spot) -> None:
    paths = items(attributes.get(key))
    check_repeats(paths, at.key(key))
    for position, path in enumerate(paths):
        check_path(path, at.key(key).index(position))
