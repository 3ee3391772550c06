"""Figures: from an xarray object to a picture, by way of numpy and matplotlib."""
