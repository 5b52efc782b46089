"""A run that goes on, as a page on this machine: what it shows, and the server that shows it. It needs no torch."""
