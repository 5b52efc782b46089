"""Do the tests notice when a line changes? `make mutants` changes lines of lab2, one at a time, and runs the tests.

What a line is changed into comes from mutmut; the rest of mutmut 3 does not reach far enough here:

- It changes functions alone, and none with a decorator: a sixth of all changes would never be made, among them those of
  the lists of metrics and columns, the fields of configs and shards, and the derivatives of `winograd.py`.
- It takes the tests that call the changed function, in no order and without an end: a change in a loop would wait for
  every training. Here those that run the changed line are run, the quickest first, until one fails or the time is up.
- What a test runs in a process of its own counts for none of its tests.

The whole file is changed in a copy of the repository, so that every process of a test meets it. Each change is tested
in a process forked from one that has imported torch and the others, but nothing of lab2 (`server.py`).
"""
