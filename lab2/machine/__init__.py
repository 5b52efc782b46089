"""What this machine has, and what can be brought to it: `lab2 doctor` and `lab2 prepare`."""
