"""Shards: one row a trial, written whole, and collected against the plan."""
