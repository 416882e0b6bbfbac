"""Commands of other systems: CloudEvents that arrive by a queue, and the replies to them."""
