"""How this pod's workload is told and asked. Today it asks by itself, over HTTP; what calls on it belongs here."""
