"""How the embedded emoji data set was built."""
