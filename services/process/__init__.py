"""How a process runs: its start, its ports, health, monitoring, maintenance, workers and traces."""
