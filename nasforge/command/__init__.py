"""The `nasforge` command, and the same search from Python.

Imports everything; only `nasforge.testing` imports it.
"""
