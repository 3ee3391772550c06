"""Tasks and slabs, the only mover of pixels, and who carries tasks out."""
