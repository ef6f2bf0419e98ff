import os

# gRPC's fork handlers may break a child between fork and exec (a closed poller), and tests start many children
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
