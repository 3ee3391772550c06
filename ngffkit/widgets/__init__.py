"""What notebooks show: the viewer, and the data side of it that works without a notebook."""
