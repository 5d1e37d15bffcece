"""Commands as applications: those of plugins, and what Hydra does for ours."""
