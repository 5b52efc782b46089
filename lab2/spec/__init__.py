"""Configs, jobs, trials, plans and cluster profiles: frozen dataclasses that check their values when they are made."""
