"""What a strategy calls while it searches, and what a run's folder holds.

Imports training and execution, and what lies below them.
"""
