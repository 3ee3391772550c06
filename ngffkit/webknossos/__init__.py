"""What WEBKNOSSOS takes and gives: datasets of several layers, upload, download, addresses."""
