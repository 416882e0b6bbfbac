"""Use cases: what may be asked for, by whom, and what is done then. They know no transport.

Ports come by constructor, the actor and a typed request by call. What goes wrong is raised as a typed error
of ``shared.errors`` and below; renderers of the transports choose status and words.
"""
