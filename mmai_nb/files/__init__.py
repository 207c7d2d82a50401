"""Files that are ours alone: private ones, entries that are trimmed, locks between processes.

Only their owner can read them (folders 0700, files 0600), they are written whole or not at all and
read without trust: symbolic links are not followed, and nothing in them is ever executed. No pickle
is read or written.

Nothing in here imports anything else of the package.
"""
