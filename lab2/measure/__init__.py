"""Measures a trial: scores, cost, hardware and provenance. The same code measures every architecture."""
