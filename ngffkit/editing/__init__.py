"""Edits of an image that is there: labels, channels, time points, mags, regions."""
