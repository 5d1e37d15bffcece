"""The minis under training: one folder for each, with its own recipe."""
