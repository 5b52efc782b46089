"""What is to be run: configs, jobs and trials, all frozen, all checked where they are written."""
