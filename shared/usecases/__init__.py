"""Use cases: each checks what a user may do, and does it. They know no transport.

Constructors receive the ports; calls receive the actor, who is the user or None, and a typed request. Use
cases raise the typed errors of ``shared.errors``, which each transport renders with a status and a text.
"""
