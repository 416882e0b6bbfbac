"""Projects: who may see them, what they are called, what is in them, and their finished exports."""
