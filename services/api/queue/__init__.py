"""Commands of other systems: CloudEvents that arrive by queue, and the answers to them."""
