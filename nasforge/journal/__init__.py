"""What survives a crash: atomic files, the journal, the clock, and a note of what the run was doing.

Imports the contracts alone.
"""
