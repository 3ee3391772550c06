"""The command line: ``ngffkit COMMAND``.

Commands are ``info``, ``validate``, ``verify``, ``browse``; ``convert``, ``copy``, ``downsample``,
``rewrite``; ``tune``, ``benchmark``; ``serve``, ``app``, ``cache``; ``upload``, ``download``.

Everything it does is a call of a public function. `values` reads what is typed, `flags` is the
table of options (parts of it lie in ``flags_*``), `webknossos` turns the words of ``webknossos
convert`` into ours, `parsing` and `program` put them together.
"""

from ngffkit.cli.program import main

__all__ = ["main"]
