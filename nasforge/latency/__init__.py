"""Latencies of networks on this machine: measured in rounds, and kept in small files.

Imports the contracts, devices, journal and registry.
"""
