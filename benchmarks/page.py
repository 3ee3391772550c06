"""What is printed, kept and rendered of results."""
