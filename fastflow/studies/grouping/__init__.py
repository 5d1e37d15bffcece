"""Runs grouped over seeds: which settings differ, means with intervals, and what is best."""
