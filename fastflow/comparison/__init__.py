"""`fastflow compare`: every method brought to the same numbers of calls, on the same noise."""
