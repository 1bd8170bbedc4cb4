"""Loggers that record a whole run."""
