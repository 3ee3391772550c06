"""Tests in a real browser. One Jupyter server and one Chromium serve all of them."""
