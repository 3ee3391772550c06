"""What `ngffkit.tune` returns: layout, costs, advice, and what would come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ngffkit.access.lines import Line
from ngffkit.errors import Problem
from ngffkit.tuning.advice import Advice
from ngffkit.tuning.costs import Reading, Row, Use, mean_gain
from ngffkit.tuning.sampling import Look
from ngffkit.tuning.survey import Survey

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Tuning:
    """How an image lies, what reading it costs, and what would cost less.

    Parameters
    ----------
    survey : Survey
        How it lies in its store, by mag.
    rows : tuple of Row
        What each pattern costs now.
    advice : tuple of Advice
        What to do, what gains most first; empty when there is nothing to do.
    layout : Mapping
        The options of all advice together, for ``ngffkit.rewrite(x, layout=...)``; empty when
        there is nothing to do.
    best : tuple of Row
        What each pattern would cost after it, mags that are added aside.
    objects : int
        How many objects there would be.
    python, command : str
        The line that carries all of it out; empty when there is nothing to do.
    reading : Reading
        Over which lines, and by what machine.
    use : Use
        How much each pattern counts.
    labels : Mapping of str to Tuning
        The same for each label image, by its path: ``labels/nuclei``.
    look : Look
        What some pixels said, so that other layouts can be priced without reading them again.
    """

    survey: Survey
    rows: tuple[Row, ...]
    advice: tuple[Advice, ...]
    layout: Mapping[str, Any]
    best: tuple[Row, ...]
    objects: int
    python: str
    command: str
    reading: Reading
    use: Use
    labels: Mapping[str, Tuning] = field(default_factory=dict)
    look: Look = field(default_factory=Look, repr=False)

    @property
    def url(self) -> str:
        """Where the image is."""
        return self.survey.url

    @property
    def line(self) -> Line:
        """The line that counts."""
        return self.reading.chosen

    @property
    def gain(self) -> float:
        """How many times faster reading gets by `layout`: the weighted geometric mean."""
        return mean_gain(self.rows, self.best, self.reading.line, self.use)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is odd about the pyramid, worth a rewrite or not."""
        return self.survey.problems

    def plot(self, *, width: float = 8.0) -> Figure:
        """Draw the time of each pattern now, and after the advice.

        Parameters
        ----------
        width : float
            Of the figure, in inches.

        Returns
        -------
        matplotlib.figure.Figure
            One row per pattern; time on a logarithmic axis.
        """
        from ngffkit.tuning.figures import draw

        return draw(self, width)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values: sizes in bytes, times in seconds, shapes in array order."""
        survey, reading = self.survey, self.reading
        return {
            "url": survey.url,
            "version": survey.image.version,
            "zarr_format": survey.zarr_format,
            "consolidated": survey.consolidated,
            "exact": survey.exact,
            "objects": survey.objects,
            "nbytes": survey.nbytes,
            "mags": [mag.to_json() for mag in survey.mags],
            "problems": [problem.to_json() for problem in self.problems],
            "line": reading.line,
            "lines": [asdict(line) for line in reading.lines],
            "machine": asdict(reading.machine),
            "use": {row.name: self.use.of(row, self.rows) for row in self.rows},
            "patterns": [row.to_json() for row in self.rows],
            "advice": [item.to_json() for item in self.advice],
            "layout": dict(self.layout),
            "gain": self.gain,
            "after": [row.to_json() for row in self.best],
            "objects_after": self.objects,
            "python": self.python,
            "command": self.command,
            "labels": {name: one.to_json() for name, one in self.labels.items()},
        }

    def __str__(self) -> str:
        """Return it as lines of text."""
        from ngffkit.tuning.card import text_of

        return text_of(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return it as a card for notebooks."""
        from ngffkit.tuning.card import html_of

        return html_of(self)
