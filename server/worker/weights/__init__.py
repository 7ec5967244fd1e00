"""A model's files and where they go: found, measured, placed on a device."""
