"""Events of jobs for other systems: written in the transaction of each move, published after it."""
