"""Published numbers of a search space: the table as a file, and where it is found.

Imports the contracts, registry and journal.
"""
