"""Where a check stands in a document and what it has found; and looking at any JSON value."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeGuard

from ngffkit.errors import Problem, Severity

# What a severity may fill of a report, so that a flood of advice never hides a broken schema.
LIMITS: Final[Mapping[Severity, int]] = {"schema": 100, "meaning": 60, "advice": 40}

# Nothing in the specification nests further than about twenty; hostile documents do.
DEEPEST: Final = 60

STRICT_PHRASE: Final = "the strict schema wants it"

Need = Literal["must", "text", "strict", "should", "may"]

_NEEDS: Final[Mapping[str, tuple[Severity, str]]] = {
    "must": ("schema", "is missing"),
    "text": ("meaning", "is missing, and the text of the specification demands it"),
    "strict": ("advice", f"is missing; {STRICT_PHRASE}"),
    "should": ("advice", "is missing, and it should be there"),
}

# What is shown of a value in full.
_LONG_BITS, _LONG_TEXT, _LONG_LIST = 64, 40, 6

_PLAIN_KEY: Final = re.compile(r"[^.\[\]\"]+")


@dataclass(slots=True)
class Report:
    """The problems found so far, at most `LIMITS` of each severity.

    Parameters
    ----------
    limits : Mapping
        How many problems of each severity are kept.
    """

    limits: Mapping[Severity, int] = field(default_factory=lambda: LIMITS)
    problems: list[Problem] = field(default_factory=list)
    counts: dict[Severity, int] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        """Whether nothing that is found from here on could change the verdict or be kept."""
        return self.counts.get("schema", 0) >= self.limits["schema"]

    def add(self, problem: Problem) -> None:
        """Keep `problem` if it is new and there is still room for its severity."""
        if problem in self.problems:
            return
        count = self.counts.get(problem.severity, 0)
        if count < self.limits[problem.severity]:
            self.problems.append(problem)
        self.counts[problem.severity] = count + 1

    def result(self) -> list[Problem]:
        """Return the problems, worst first, and one that says how many were left out, if any."""
        order = list(LIMITS)
        found = sorted(self.problems, key=lambda problem: order.index(problem.severity))
        dropped = [name for name in order if self.counts.get(name, 0) > self.limits[name]]
        if dropped:
            found.append(
                Problem(
                    "",
                    "advice",
                    f"there are more problems of severity {' and '.join(dropped)} than listed",
                    "mend the listed ones first, then check again",
                )
            )
        return found


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a document: where a rule stands and how it reports.

    Parameters
    ----------
    report : Report
        Where problems go.
    loc : str
        JSON path from the root of the document.
    severity : {"schema", "meaning", "advice"}
        Severity of what is reported here.
    hint : str
        Remedy for problems that bring none; holds for the items of a list, too.
    depth : int
        How many keys and indices lie above.
    """

    report: Report
    loc: str = ""
    severity: Severity = "schema"
    hint: str = ""
    depth: int = 0

    def key(self, name: str, hint: str = "") -> Spot:
        """Return the spot of the member `name` of the object here."""
        if _PLAIN_KEY.fullmatch(name):
            loc = f"{self.loc}.{name}" if self.loc else name
        else:
            loc = f'{self.loc}["{name}"]'
        return Spot(self.report, loc, self.severity, hint, self.depth + 1)

    def index(self, position: int) -> Spot:
        """Return the spot of an item of the list here."""
        loc = f"{self.loc}[{position}]"
        return Spot(self.report, loc, self.severity, self.hint, self.depth + 1)

    def grade(self, severity: Severity) -> Spot:
        """Return this spot, reporting at another severity."""
        return replace(self, severity=severity)

    def problem(
        self,
        message: str,
        remedy: str = "",
        *,
        default: str = "",
        severity: Severity | None = None,
    ) -> None:
        """Report a problem with the value here.

        Parameters
        ----------
        message : str
            What was found and what was expected.
        remedy : str
            What to do; without it the hint of this spot, and without that `default`.
        default : str
            See there.
        severity : {"schema", "meaning", "advice"}, optional
            Instead of this spot's.
        """
        told = remedy or self.hint or default
        self.report.add(Problem(self.loc, severity or self.severity, message, told))

    def missing(self, key: str, need: Need, remedy: str = "") -> None:
        """Report that the object here lacks `key`, as severely as `need` says."""
        graded, phrase = _NEEDS[need]
        # under a graver or milder regime ("meaning" for everything) the regime decides
        severity = self.severity if graded == "schema" else graded
        self.key(key).problem(phrase, remedy, default=f"add {key!r}", severity=severity)


# --- looking at values that may be anything ---------------------------------------------------


def show(value: object) -> str:
    """Return a short description of any JSON value; never long, never raises.

    Examples
    --------
    >>> show("a" * 100)[:12], show([1, 2.5]), show({"a": 1}), show(10**9999)
    ("'aaaaaaaaaaa", '[1, 2.5]', 'an object with the key a', 'a huge number')
    """
    match value:
        case int() if not isinstance(value, bool) and value.bit_length() > _LONG_BITS:
            text = "a huge number"
        case None | bool():
            text = {None: "null", True: "true", False: "false"}[value]
        case int():
            text = str(value)
        case float():
            text = repr(value)
        case str():
            text = repr(value if len(value) <= _LONG_TEXT else value[: _LONG_TEXT - 3] + "...")
        case Mapping():
            text = _show_object(value)
        case list() | tuple():
            flat = len(value) <= _LONG_LIST and not any(
                isinstance(item, (list, tuple, Mapping)) for item in value
            )
            text = f"[{', '.join(map(show, value))}]" if flat else f"a list of {len(value)}"
        case _:
            text = f"a {type(value).__name__}"
    return text


def _show_object(value: Mapping[Any, Any]) -> str:
    keys = [str(key)[:20] for _, key in zip(range(3), value, strict=False)]
    more = ", ..." if len(value) > len(keys) else ""
    some = "key" if len(value) == 1 else "keys"
    return f"an object with the {some} {', '.join(keys)}{more}" if keys else "an empty object"


def is_number(value: object) -> bool:
    """Return whether `value` is a JSON number; true and false are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_integer(value: object) -> TypeGuard[int]:
    """Return whether `value` is a whole number; JSON schema counts 2.0 as one."""
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


def members(value: object) -> Mapping[str, Any]:
    """Return `value` if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def items(value: object) -> list[Any] | tuple[Any, ...]:
    """Return `value` if it is a list, else an empty one."""
    return value if isinstance(value, (list, tuple)) else []


def numbers(value: object) -> list[float] | None:
    """Return the numbers of a list of numbers, or None if it is anything else.

    Integers beyond the range of a double become infinite, with their sign.
    """
    if not isinstance(value, (list, tuple)):
        return None
    found: list[float] = []
    for item in value:
        if not is_number(item):
            return None
        try:
            found.append(float(item))
        except OverflowError:
            found.append(float("inf") if item > 0 else float("-inf"))
    return found


def identity(value: object, depth: int = 40) -> Hashable:
    """Return a key that is equal for values that JSON schema holds to be equal.

    1 equals 1.0 but not true. What lies deeper than `depth` equals only itself.
    """
    if value is None or isinstance(value, bool):
        return frozenset(), value
    if isinstance(value, (int, float, str)):
        return value
    if depth > 0 and isinstance(value, Mapping):
        return frozenset((key, identity(item, depth - 1)) for key, item in value.items())
    if depth > 0 and isinstance(value, (list, tuple)):
        return ("list", *(identity(item, depth - 1) for item in value))
    return "other", id(value)


def twins(keys: Iterable[Hashable]) -> Iterator[tuple[int, int]]:
    """Yield the positions of every key that came before, with that of its first occurrence.

    Examples
    --------
    >>> list(twins("abca"))
    [(3, 0)]
    """
    first: dict[Hashable, int] = {}
    for position, key in enumerate(keys):
        earlier = first.setdefault(key, position)
        if earlier != position:
            yield position, earlier
