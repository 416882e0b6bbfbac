"""What a place keeps of projects: archives with their records, and which of them stay."""
