"""Check what is installed, and start a new plug-in: `nasforge list`, `doctor` and `new-plugin`.

Imports config, registry and the parts that these name; not experiment.
"""
