"""Training, which is the same for all minis: recipes, flow matching, optimisers, datasets."""
