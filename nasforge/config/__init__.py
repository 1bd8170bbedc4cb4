"""From a command's arguments to a plain configuration; the only folder besides command that knows Hydra.

Imports only the contracts and registry.
"""
