"""The command line: ``ngffkit info | validate | convert | downsample | copy | browse | verify``.

Everything it does is a call of a public function. `values` reads what is typed, `flags` is the
table of options, `webknossos` turns the words of ``webknossos convert`` into ours, `parsing` and
`program` put them together.
"""

from ngffkit.cli.program import main

__all__ = ["main"]
