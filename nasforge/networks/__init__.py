"""What networks are made of: operations, convolutions, joins in a cell, and their sizes.

Imports the contracts alone.
"""
