"""From a store to what is in it: metadata documents, fetched in few rounds, as a tree of nodes."""
