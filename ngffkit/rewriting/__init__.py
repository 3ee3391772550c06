"""The same pixels in another layout: beside, or in the place of what was there."""
