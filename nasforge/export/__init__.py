"""Takes a found network out of a run: `load`, and the files that `nasforge export` writes.

Reads run folders; imports experiment and everything below it.
"""
