"""What lies in run folders, as records."""
