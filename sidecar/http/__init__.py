"""A view of the verdict over HTTP: it decides nothing. ``server`` is what the service wires."""
