"""What reading an image again has found, as a value."""

from __future__ import annotations

from dataclasses import dataclass

from ngffkit.cards import Table, card, html_table
from ngffkit.errors import Problem, tally

#: Problems that are printed; `Verification.problems` has them all.
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found.

    Parameters
    ----------
    url : str
        What was verified.
    how : tuple of str
        What was compared with what, and what that proves, in words.
    files : int
        Objects that were read.
    nbytes : int
        Bytes that were read; of pixels, where they were decoded.
    problems : tuple of Problem
        Those of severity ``error`` say what is absent, shorter or changed; `Problem.loc` is the
        key of the object.
    seconds : float
        How long it took.
    """

    url: str
    how: tuple[str, ...]
    files: int
    nbytes: int
    problems: tuple[Problem, ...] = ()
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; advice doesn't count."""
        return not any(problem.severity == "error" for problem in self.problems)

    def __str__(self) -> str:
        """Return the verdict and its reasons as lines of text."""
        lines = [f"{self.url}: {self._verdict}", *(f"  {line}" for line in self.how)]
        lines += [f"  {problem}" for problem in self.problems[:_SHOWN]]
        if len(self.problems) > _SHOWN:
            lines.append(f"  and {len(self.problems) - _SHOWN} more in .problems")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return a card for notebooks."""
        facts = tuple(("proved" if self.ok else "compared", line) for line in self.how)
        body = html_table(Table(self._verdict, ("", ""), facts))
        if self.problems:
            rows = tuple((p.severity, p.loc, f"{p.message}; {p.remedy}") for p in self.problems)
            body += html_table(Table(tally(self.problems), ("", "object", "what"), rows[:_SHOWN]))
        return card(self.url, body)

    @property
    def _verdict(self) -> str:
        verdict = "sound" if self.ok else "DAMAGED OR UNFINISHED"
        return f"{verdict}, {self.files:,} objects, {self.nbytes:,} bytes"
