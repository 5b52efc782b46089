"""The comparison table as text and as files, and the live view of a run."""
