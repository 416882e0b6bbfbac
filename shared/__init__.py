"""What every service shares: concepts with their ports and adapters."""
