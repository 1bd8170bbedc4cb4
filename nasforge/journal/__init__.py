"""What survives a crash: whole files, the journal's lines, the clock, and what a run was doing when it died.

Imports the contracts alone.
"""
