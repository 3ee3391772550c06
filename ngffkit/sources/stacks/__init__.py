"""Folders of numbered images: which file lies where, and one source of them all."""
