"""How Sphinx builds the site: make docs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

import numpydoc.xref  # noqa: E402

import ngffkit  # noqa: E402 - the installed one, whose docstrings are the reference

project = "ngffkit"
author = "The ngffkit developers"
project_copyright = author
release = version = ngffkit.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_copybutton",
    "commands",
    "notebooks",
    "signatures",
]
exclude_patterns = ["_build", "_ext", "images/make.py"]
templates_path: list[str] = []

# --- what is checked ------------------------------------------------------------------------------

# A name of ours in backticks must be in the reference; types in words ("mapping of str to float")
# and names of other projects need not be. Nothing is fetched, so there is no intersphinx.
nitpicky = True
nitpick_ignore_regex = [("py:class", ".*"), ("py:(obj|exc|meth|attr|func)", r"(?!ngffkit\.).*")]

# --- docstrings -----------------------------------------------------------------------------------

default_role = "py:obj"
add_module_names = False
toc_object_entries_show_parents = "hide"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
autodoc_typehints = "none"  # docstrings say types in words, with units and axis order
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
autosummary_generate = False
numpydoc_show_class_members = False
numpydoc.xref.DEFAULT_LINKS.clear()  # into Python's and NumPy's pages, which nothing here fetches
numpydoc_xref_param_type = True  # of the types in docstrings, ours are links; the rest is words
numpydoc_xref_ignore = "all"
numpydoc_xref_aliases = {
    name: f"ngffkit.{name}" for name in ngffkit.__all__ if name[0].isupper()
} | {
    path.rpartition(".")[2]: f"ngffkit.{path}"
    for path in (
        "accessor.NgffAccessor",
        "access.lines.Line",
        "description.Description",
        "editing.plans.EditPlan",
        "grid.Axis",
        "grid.Grid",
        "image.Channel",
        "image.Image",
        "image.Level",
        "layout.Layout",
        "panels.app.App",
        "serving.server.Server",
        "tuning.report.Tuning",
        "tuning.speeds.Benchmark",
        "validation.Report",
        "webknossos.Upload",
        "widgets.browse.Viewer",
    )
}

# --- pages ----------------------------------------------------------------------------------------

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
smartquotes = False  # quotes in options and errors are typed as they stand
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# --- notebooks ------------------------------------------------------------------------------------

# "cache" runs those that have changed, "off" shows them without results.
nb_execution_mode = os.environ.get("NGFFKIT_DOCS_NOTEBOOKS", "cache")
nb_execution_timeout = 180
nb_execution_in_temp = True
nb_execution_raise_on_error = True
# Widgets need a kernel; the picture that each of them brings along does not, nor a network.
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
nb_ipywidgets_js: dict[str, dict[str, str]] = {}

# --- looks ----------------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = f"ngffkit {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/icon.svg"
html_context = {"default_mode": "auto"}
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {
    "navbar_align": "left",
    "show_toc_level": 2,
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
html_sidebars = {"index": []}
