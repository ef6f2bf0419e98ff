"""The workload is told, without asking: a leader file on a volume that it reads, and webhooks that it answers.

Both carry the body of ``/leader`` with an absolute deadline, which is a promise like any other that is handed out.
"""
