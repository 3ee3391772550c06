"""Everything that can be known before pixels move."""
