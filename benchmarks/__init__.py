"""What lab2 costs against what people would otherwise run, and against what the machine can do: `make bench`."""

from lab2.launch.environment import leave_threads_unbound

leave_threads_unbound()  # before any part of it imports torch
