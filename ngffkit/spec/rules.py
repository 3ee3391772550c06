"""Small rules that compose: what a JSON value must look like, as data rather than as code.

A rule is a frozen value with one method, ``check(value, at)``, which reports to the `Spot` it is
given and never raises, whatever the value. Rules hold rules, so a table of them is a schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ngffkit.errors import Severity
from ngffkit.spec.report import Need, Report, Spot, identity, is_integer, show, twins


class Rule(Protocol):
    """Anything that can judge a JSON value."""

    def check(self, value: object, at: Spot) -> None:
        """Report what is wrong with `value`, which is at `at`."""


def accepts(rule: Rule, value: object) -> bool:
    """Return whether `rule` finds nothing of severity "schema" in `value`."""
    silent = Report({"schema": 1, "meaning": 0, "advice": 0})
    rule.check(value, Spot(silent))
    return "schema" not in silent.counts


@dataclass(frozen=True, slots=True)
class Anything:
    """Accept every value."""

    def check(self, value: object, at: Spot) -> None:
        """Report nothing."""


@dataclass(frozen=True, slots=True)
class Text:
    """A string.

    Parameters
    ----------
    pattern : str
        Regular expression that must match the whole string; empty for any string.
    expected : str
        That expression in words.
    """

    pattern: str = ""
    expected: str = ""

    def check(self, value: object, at: Spot) -> None:
        """Report anything but a matching string."""
        if not isinstance(value, str):
            at.problem(f"{show(value)} is not a string", default="write it in quotes")
        elif self.pattern and not re.fullmatch(self.pattern, value, re.DOTALL):
            at.problem(f"{show(value)} is not {self.expected}", default="correct it")


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    def check(self, value: object, at: Spot) -> None:
        """Report anything but a boolean."""
        if not isinstance(value, bool):
            at.problem(f"{show(value)} is neither true nor false", default="write true or false")


@dataclass(frozen=True, slots=True)
class Number:
    """A number.

    Parameters
    ----------
    whole : bool
        Whether it must be an integer.
    least, above, most : float, optional
        The smallest value, a value it must exceed, and the largest value. NaN passes, as it does
        in JSON schema; whoever needs a finite number says so at severity "meaning".
    """

    whole: bool = False
    least: float | None = None
    above: float | None = None
    most: float | None = None

    def check(self, value: object, at: Spot) -> None:
        """Report anything but a number in the range."""
        flaw = self._flaw(value)
        if flaw is not None:
            at.problem(f"{show(value)} is {flaw}", default="correct it; numbers have no quotes")

    def _flaw(self, value: object) -> str | None:
        if self.whole and not is_integer(value):
            return "not an integer"
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            return "not a number"
        if self.least is not None and value < self.least:
            return f"less than {self.least}"
        if self.above is not None and value <= self.above:
            return f"not greater than {self.above}"
        if self.most is not None and value > self.most:
            return f"more than {self.most}"
        return None


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some strings or numbers.

    Parameters
    ----------
    values : tuple
        What is allowed.
    """

    values: tuple[str | int, ...]

    def check(self, value: object, at: Spot) -> None:
        """Report anything that is not among the values."""
        if isinstance(value, bool) or value not in self.values:
            wanted = ", ".join(show(item) for item in self.values)
            at.problem(
                f"{show(value)} is not {'one of ' * (len(self.values) > 1)}{wanted}",
                default=f"write {wanted}",
            )


@dataclass(frozen=True, slots=True)
class Items:
    """A list.

    Parameters
    ----------
    each : Rule
        What every item must be.
    least, most : int
        How many items there may be.
    unique : bool
        Whether no two items may be equal.
    """

    each: Rule = field(default_factory=Anything)
    least: int = 0
    most: int | None = None
    unique: bool = False

    def check(self, value: object, at: Spot) -> None:
        """Report anything but a list of that length, and every item that is wrong."""
        if not isinstance(value, (list, tuple)):
            at.problem(f"{show(value)} is not a list", default="put it in [ ]")
            return
        if len(value) < self.least:
            at.problem(
                f"has {len(value)} items, at least {self.least} are needed", default="add some"
            )
        if self.most is not None and len(value) > self.most:
            at.problem(
                f"has {len(value)} items, at most {self.most} are allowed", default="remove some"
            )
        for position, item in enumerate(value):
            if at.report.full:
                return
            self.each.check(item, at.index(position))
        if self.unique:
            for position, earlier in twins(map(identity, value)):
                at.index(position).problem(f"repeats item {earlier}", "remove one of the two")


@dataclass(frozen=True, slots=True)
class Member:
    """A key of an object.

    Parameters
    ----------
    rule : Rule
        What its value must be, where it is present.
    need : {"must", "text", "strict", "should", "may"}
        Who misses it when it is absent: the schema, the text of the specification, the strict
        schema, its advice, nobody.
    remedy : str
        What to do when it is absent or wrong, unless its rule knows better.
    """

    rule: Rule = field(default_factory=Anything)
    need: Need = "may"
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Fields:
    """An object.

    Parameters
    ----------
    members : Mapping of str to Member
        The keys that mean something.
    closed : bool
        Whether all other keys are forbidden.
    any_of : tuple of str
        Keys of which at least one must be present.
    """

    members: Mapping[str, Member] = field(default_factory=dict)
    closed: bool = False
    any_of: tuple[str, ...] = ()

    def check(self, value: object, at: Spot) -> None:
        """Report anything but an object, and every member that is absent or wrong."""
        if not isinstance(value, Mapping):
            at.problem(f"{show(value)} is not an object", default="put it in { }")
            return
        for name, member in self.members.items():
            if name in value:
                member.rule.check(value[name], at.key(name, member.remedy))
            elif member.need != "may":
                at.missing(name, member.need, member.remedy)
        if self.any_of and not any(name in value for name in self.any_of):
            at.problem(
                f"has none of {', '.join(self.any_of)}, one is needed", default="add one of them"
            )
        if self.closed:
            for name in value:
                if name not in self.members:
                    allowed = ", ".join(self.members)
                    at.key(str(name)[:40]).problem(
                        f"is not allowed here, only {allowed}", "remove it"
                    )


@dataclass(frozen=True, slots=True)
class Either:
    """Exactly one of some keys, present and right; its siblings are judged elsewhere.

    Parameters
    ----------
    options : Mapping of str to Rule
        The keys and what their values must be.
    """

    options: Mapping[str, Rule]

    def check(self, value: object, at: Spot) -> None:
        """Report an object that has none of the keys right, or several of them."""
        if not isinstance(value, Mapping):
            return
        present = [name for name in self.options if name in value]
        right = [name for name in present if accepts(self.options[name], value[name])]
        if len(right) == 1:
            return
        if not present:
            at.problem(
                f"has none of {', '.join(self.options)}, one is needed", default="add one of them"
            )
        elif right:
            at.problem(f"has {' and '.join(right)}, only one is allowed", "keep one of them")
        for name in present:
            if name not in right:
                self.options[name].check(value[name], at.key(name))


@dataclass(frozen=True, slots=True)
class ByTag:
    """An object whose member `tag` says which rule holds for it.

    Parameters
    ----------
    options : Mapping of str to Rule
        The rules by the value of the tag.
    tag : str
        The key that decides.
    alone : bool
        Whether an object without tag is judged as JSON schema's ``oneOf`` does: right if it
        satisfies exactly one option. Otherwise the tag is required.
    """

    options: Mapping[str, Rule]
    tag: str = "type"
    alone: bool = False

    def check(self, value: object, at: Spot) -> None:
        """Report an unknown tag, or what the rule of the tag reports."""
        if not isinstance(value, Mapping):
            at.problem(f"{show(value)} is not an object", default="put it in { }")
            return
        wanted = ", ".join(self.options)
        if self.tag in value:
            found = value[self.tag]
            if isinstance(found, str) and found in self.options:
                self.options[found].check(value, at)
            else:
                at.key(self.tag).problem(
                    f"{show(found)} is not one of {wanted}", "write one of these"
                )
        else:
            fits = sum(accepts(rule, value) for rule in self.options.values())
            lenient = self.alone and fits == 1
            at.missing(self.tag, "text" if lenient else "must", f"say which: {wanted}")


@dataclass(frozen=True, slots=True)
class Both:
    """Several rules for one value.

    Parameters
    ----------
    rules : tuple of Rule
        All of them hold.
    """

    rules: tuple[Rule, ...]

    def check(self, value: object, at: Spot) -> None:
        """Report what any of the rules reports."""
        for rule in self.rules:
            rule.check(value, at)


@dataclass(frozen=True, slots=True)
class Holds:
    """A property of a value that no other rule expresses.

    Parameters
    ----------
    holds : callable
        Takes the value, which may be anything; must not raise.
    message : str
        What is wrong when it doesn't hold.
    """

    holds: Callable[[object], bool]
    message: str

    def check(self, value: object, at: Spot) -> None:
        """Report when the property doesn't hold."""
        if not self.holds(value):
            at.problem(self.message, default="correct it")


@dataclass(frozen=True, slots=True)
class Graded:
    """A rule whose breach is of another severity.

    Parameters
    ----------
    severity : {"schema", "meaning", "advice"}
        That severity.
    rule : Rule
        The rule.
    """

    severity: Severity
    rule: Rule

    def check(self, value: object, at: Spot) -> None:
        """Report what the rule reports, at the other severity."""
        self.rule.check(value, at.grade(self.severity))
