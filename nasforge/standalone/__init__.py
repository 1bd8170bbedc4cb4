"""Strategies without a run: simulated on a table for thousands of seeds, or asked and told from a user's own loop.

Both give a strategy the same randomness, goals and budget as a run does, so it proposes the same candidates.
"""
