"""Images over HTTP, read-only, for viewers outside of the notebook."""
