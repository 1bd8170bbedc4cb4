"""Writes what a network computes as source code that needs torch alone: `network.py` first.

Imports only the contracts.
"""
