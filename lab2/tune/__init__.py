"""A search for recipes by a rule that is fixed beforehand: which settings, which are promoted, what came out."""
