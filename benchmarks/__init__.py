"""Benchmarks of lab2 against textbook code and against the limits of the machine: `make bench`."""

from lab2.launch.environment import leave_threads_unbound

leave_threads_unbound()  # before a module of this package imports torch
