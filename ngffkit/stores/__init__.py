"""Places that hold keys and bytes: folders, object stores, zip files, what others opened."""
