"""From stored bytes to pixels: an array's metadata, codecs within bounds, reading boxes."""
