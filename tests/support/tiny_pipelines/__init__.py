"""Whole diffusers pipelines with tiny random weights, made in memory: no hub, no files.

One module a family; `cases` says how each is called and what its calls cost.
"""
