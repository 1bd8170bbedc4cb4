"""Pictures as SVG: cells, fronts, mixing weights over time, and plots of numbers.

Imports only the contracts.
"""
