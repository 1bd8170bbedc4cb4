"""Building blocks of networks: operations, convolutions and ways to combine them in a cell; the size of a network.

Imports only the contracts.
"""
