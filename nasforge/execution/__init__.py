"""Who estimates the candidates: this process, local workers, or tasks of a Ray cluster.

Imports the contracts, devices, registry and journal.
"""
