"""What computes: processors, memory, threads, and how several processes share a batch.

Imports no other part of nasforge.
"""
