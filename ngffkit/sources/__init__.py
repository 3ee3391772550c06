"""Anything convertible, as one small contract: a grid, a type, and `read(box)`."""
