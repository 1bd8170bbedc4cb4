"""The `nasforge` command and the same from Python.

Imports everything; nothing imports it but `nasforge.testing`.
"""
