"""How networks and supernets train and are scored, on one device or on several.

Imports the contracts, devices, networks, journal and registry.
"""
