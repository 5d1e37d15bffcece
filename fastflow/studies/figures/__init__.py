"""The figures of a study, drawn for a paper: one column wide, in colours and without."""
