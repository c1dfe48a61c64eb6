"""PostgreSQL: what is stored, how it is written, how it is read.

The bottom layer. Nothing here knows of actors, HTTP or JSON frames.
"""
