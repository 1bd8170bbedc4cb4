"""What a user sees of a finished run: the HTML page and the summary in the terminal.

Reads run folders; imports charts, statistics and run.
"""
