"""Panels: forms over the functions, each with a state that needs no browser."""
