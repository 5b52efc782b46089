"""`lab2 doctor` checks this machine; `lab2 prepare` downloads data sets and weights."""
