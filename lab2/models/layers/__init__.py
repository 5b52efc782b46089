"""Layers of our own: what several networks share, or what torch computes more slowly."""
