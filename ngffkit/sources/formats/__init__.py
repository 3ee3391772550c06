"""Scientific formats, each by the reader its field keeps; extras."""
