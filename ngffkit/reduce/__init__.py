"""Downsampling of arrays: mean, median, mode, nearest, gaussian, min and max of bins.

Arrays in, arrays out, no I/O. Results don't depend on how an image is cut into arrays.
"""

from ngffkit.reduce.binning import reduce
from ngffkit.reduce.methods import METHODS, Method, method_of

__all__ = ["METHODS", "Method", "method_of", "reduce"]
