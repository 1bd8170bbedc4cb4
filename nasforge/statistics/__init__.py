"""How certain a number is: intervals, rank tests, verdicts against random architectures.

Imports the contracts and journal.
"""
