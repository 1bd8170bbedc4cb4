"""What a strategy calls during a search, and what a run's folder guarantees.

Imports training and execution, and what is below them.
"""
