"""Sweeps: many runs by a plan, on one machine or more."""
