"""Benchmarks: what xmr costs beside its peers."""
