"""From a configuration to a folder with a result: search, resume, retrain.

Imports config, run, report and tables, and what is below them.
"""
