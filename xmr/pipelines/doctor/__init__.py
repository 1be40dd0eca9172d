"""Checks of encoders and data sets."""
