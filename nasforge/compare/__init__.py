"""`nasforge compare`: which runs may be compared, what is averaged, and whether a difference may be chance.

Reads run folders; imports charts, statistics, report and run.
"""
