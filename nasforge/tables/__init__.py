"""Published numbers of a search space: the table's file format, how tables are found, and `.npz` files.

Imports the contracts, registry and journal.
"""
