"""Many answers at a time: rows of one forward pass, and how tokens are picked from it."""
