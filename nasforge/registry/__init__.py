"""Names to plug-ins: entry points, their options, and what goes together.

Imports the contracts alone.
"""
