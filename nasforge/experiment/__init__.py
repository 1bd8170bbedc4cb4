"""From a configuration to a folder with a result: search, resume, retrain.

Imports everything below it: config, run, report, tables.
"""
