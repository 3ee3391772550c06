"""TIFF of every maker: what it means, where its pages lie, boxes of it."""
