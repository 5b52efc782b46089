"""Plans and starts trials, on this machine or on Slurm, and finds out the status of each."""
