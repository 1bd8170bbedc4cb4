"""Search spaces from one's own modules: `choice`, `repeat`, `width` and `kernel` in an ordinary constructor.

`declare.py` first: what a user calls. `space.py`: how the declared choices become a space. Imports the contracts and
what networks are made of.
"""
