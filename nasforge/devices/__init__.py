"""The hardware: processors, memory and threads; how several processes share a batch.

Imports no other part of nasforge.
"""
