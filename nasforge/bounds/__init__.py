"""Derivation under constraints: the most probable architecture of a mix that keeps the run's bounds.

Imports the contracts and networks.
"""
