"""Figures of lab2 on one GPU, in at most 8 minutes: `bash benchmarks/gpu/check.sh`."""
