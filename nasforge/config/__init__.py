"""From the words of a command to a plain configuration; the only folder besides command that knows Hydra.

Imports the contracts and registry.
"""
