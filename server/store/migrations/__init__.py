"""The history of the tables: one file in `versions/` a step, and steps that were released stay.

To add one: change `server/store/tables.py`, run `python -m server.store.migrations "what changes"`,
read and correct the file it made. `tests/store/test_migrations.py` compares the two.
"""
