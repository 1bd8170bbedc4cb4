"""`nasforge verdict`: whether a strategy is better than random search on the tables that fit, and how sure that is.

Imports simulations, statistics, and the curves and pages of comparisons.
"""
