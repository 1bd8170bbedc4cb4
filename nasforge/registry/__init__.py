"""From names to plug-ins: entry points, their options, and which plug-ins work together.

Imports only the contracts.
"""
