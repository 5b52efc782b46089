"""More seeds for a pair that is open, in looks that are planned beforehand. See docs/more.md."""
