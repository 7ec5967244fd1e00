"""Servers of models that are not ours: what they are, and what they have."""
