"""Models of llama.cpp: their files, their words and the texts in a context."""
