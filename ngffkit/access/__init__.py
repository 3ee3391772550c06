"""What reading costs: patterns of access, the traffic each makes, and the time that takes."""
