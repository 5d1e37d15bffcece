"""Finding and reading the runs of a study."""
