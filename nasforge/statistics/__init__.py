"""How sure a number is: intervals, tests of ranks, verdicts against random architectures.

Imports the contracts and journal.
"""
