"""What several built-in plug-ins share: contracts between a space and its strategy, predictors, population charts, and
a reader of pickles that runs no code.

All kinds of plug-ins may import from here; nothing here imports a plug-in.
"""
