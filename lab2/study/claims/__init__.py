"""The claims. Each file here binds `CLAIM`; no other file has to name it."""
