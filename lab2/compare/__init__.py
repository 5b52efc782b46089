"""Arrays of correctness in, findings out: what is better than what, how sure that is, what would decide the rest."""
