"""Training, the same for all minis: recipes, flow matching, optimisers, datasets."""
