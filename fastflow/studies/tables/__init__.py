"""The table of a study as CSV, Markdown and LaTeX."""
