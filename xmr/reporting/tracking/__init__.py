"""Weights & Biases: what is logged there, read from there, and published."""
