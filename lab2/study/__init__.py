"""Claims of others, each measured: trials that are planned beforehand, a rule, a verdict. One file a claim."""
