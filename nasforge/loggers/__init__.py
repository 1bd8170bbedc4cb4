"""Loggers that also receive a run's result: their contract, and TensorBoard's.

Imports nothing else of nasforge.
"""
