"""What models read: conversations by their templates, and texts as tokens."""
