"""The explorer's sources, from paths to embeddings, and its start."""
