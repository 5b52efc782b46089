"""The comparison table, for eyes and for programs; and the view of a run that is still going."""
