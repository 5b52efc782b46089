"""How good, how costly, on what: the same lines for every architecture."""
