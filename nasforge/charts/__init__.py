"""Pictures as SVG: cells, fronts, populations, families, and plots of numbers.

Imports the contracts alone.
"""
