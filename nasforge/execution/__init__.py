"""Where candidates are estimated: in this process, in local workers, or in tasks of a Ray cluster.

Imports the contracts, devices, registry and journal.
"""
