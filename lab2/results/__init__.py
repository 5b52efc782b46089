"""Shards: the result of each trial, written atomically, and collected by the plan of the run."""
