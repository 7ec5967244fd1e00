"""Answers that have a form: grammars of JSON, schemas and calls, and what they cost."""
