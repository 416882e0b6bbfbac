"""Projects: who may see them, what they are called, and what is in them."""
