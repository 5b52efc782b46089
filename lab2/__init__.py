"""Which vision architecture should I use for this data, this budget, this machine?"""

__version__ = "0.2.0"
