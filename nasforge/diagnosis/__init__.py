"""What is installed and whether it is sound: `nasforge list`, `doctor` and `new-plugin`.

Imports config, registry and what they name; no experiment.
"""
