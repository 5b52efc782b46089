"""What lab2 costs against what people would otherwise run, and against what the machine can do: `make bench`."""
