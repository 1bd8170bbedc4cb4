"""Published numbers of a search space: the table as a file, where it is found, how `.npz` files are opened.

Imports the contracts, registry and journal.
"""
