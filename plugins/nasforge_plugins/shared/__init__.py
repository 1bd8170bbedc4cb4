"""What several built-in plug-ins share: contracts between a space and its strategy, predictors, and population charts.

All kinds of plug-ins may import from here; nothing here imports a plug-in.
"""
