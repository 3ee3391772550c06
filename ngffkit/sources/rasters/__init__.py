"""One picture: what its header says, and its pixels."""
