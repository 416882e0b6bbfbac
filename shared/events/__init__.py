"""What happened to jobs, for other systems: written with each move, published after it."""
